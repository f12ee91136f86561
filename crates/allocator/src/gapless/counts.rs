//! What every request and free changes, in as few numbers as PyTorch's statistics can be told from.
//!
//! A request passes here each time, so nothing is kept that follows from the rest: what came back
//! is what came less what is there, and what is active is what the program holds and what waits for
//! other streams. Peaks are noted before a fall that follows a rise. The most that was active is
//! watched only while something waits; at other times it is the most that was held.

use gapless_units::{Bytes, MIB};

use crate::statistics::{Change, Statistic, Statistics};

/// Up to this size a block counts for the small pool, as PyTorch's does.
pub(super) const SMALL: Bytes = Bytes::new(MIB);

/// Blocks and bytes that the program holds and other streams use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    blocks: Flow,
    bytes: Flow,
    requested: Flow,
    waiting: Waiting,
    /// Whether anything was handed out since the peaks were noted.
    rises: bool,
    /// The most that was not free before the peaks were reset.
    live_peak_before: Bytes,
}

/// What was handed out and taken back elsewhere, all of it small: how much more went than came, and
/// all that went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Elsewhere {
    pub(super) more: i64,
    pub(super) all: u64,
}

/// A number over time, of small and of large blocks.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    now: [u64; 2],
    /// All increases together, which go round after 2^64: of a service's bytes in some weeks.
    all: [u64; 2],
    peak: Peak,
}

/// The most that a number was: of small blocks, of large ones, and of both at once.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    each: [u64; 2],
    both: u64,
}

/// Blocks that were given back and that other streams still use.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    blocks: [u64; 2],
    bytes: [u64; 2],
    /// The most that was active while something waited.
    most_blocks: Peak,
    most_bytes: Peak,
}

/// Which of two numbers is of small blocks.
const OF_SMALL: usize = 0;

/// Which of them is of large ones.
const OF_LARGE: usize = 1;

/// Which of them a block counts for.
#[inline]
fn kind_of(size: Bytes) -> usize {
    if size <= SMALL { OF_SMALL } else { OF_LARGE }
}

fn sum(each: [u64; 2]) -> u64 {
    each[0] + each[1]
}

fn added(a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

/// How much was handed out so far, and how much is held, which changes with each request and free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    all: [u64; 2],
    now: [u64; 2],
}

impl Counts {
    /// Which moment of the program it is.
    pub(super) fn moment(&self) -> Moment {
        Moment { all: self.blocks.all, now: self.blocks.now }
    }

    /// A block goes into the program's hands.
    #[inline]
    pub(super) fn hand_out(&mut self, size: Bytes, requested: Bytes) {
        let kind = kind_of(size);
        self.blocks.increase(kind, 1);
        self.bytes.increase(kind, size.get());
        self.requested.increase(kind, requested.get());
        self.rises = true;
    }

    #[inline]
    fn note_peaks_before_a_fall(&mut self) {
        if self.rises {
            self.note_peaks();
        }
    }

    #[inline(never)]
    fn note_peaks(&mut self) {
        self.rises = false;
        for flow in [&mut self.blocks, &mut self.bytes, &mut self.requested] {
            flow.peak.note(flow.now);
        }
        if 0 < sum(self.waiting.blocks) {
            let (blocks, bytes) = (self.active_blocks(), self.active_bytes());
            self.waiting.most_blocks.note(blocks);
            self.waiting.most_bytes.note(bytes);
        }
    }

    /// A block that the program had is free.
    #[inline]
    pub(super) fn give_back(&mut self, size: Bytes, requested: Bytes) {
        self.note_peaks_before_a_fall();
        let kind = kind_of(size);
        self.blocks.decrease(kind, 1);
        self.bytes.decrease(kind, size.get());
        self.requested.decrease(kind, requested.get());
    }

    /// A block that the program had is used by other streams still.
    pub(super) fn defer(&mut self, size: Bytes) {
        self.note_peaks_before_a_fall();
        let kind = kind_of(size);
        self.blocks.decrease(kind, 1);
        self.bytes.decrease(kind, size.get());
        self.waiting.blocks[kind] += 1;
        self.waiting.bytes[kind] += size.get();
    }

    /// A block that other streams used is free.
    pub(super) fn finish(&mut self, size: Bytes, requested: Bytes) {
        self.note_peaks_before_a_fall();
        let kind = kind_of(size);
        self.waiting.blocks[kind] -= 1;
        self.waiting.bytes[kind] -= size.get();
        self.requested.decrease(kind, requested.get());
    }

    /// Something else was asked for in a block than was counted.
    pub(super) fn correct(&mut self, size: Bytes, counted: Bytes, requested: Bytes) {
        let now = &mut self.requested.now[kind_of(size)];
        *now = *now + requested.get() - counted.get();
    }

    /// Adds what happened elsewhere to blocks, to their bytes, and to what was asked for in them.
    pub(super) fn adjust(&mut self, blocks: Elsewhere, bytes: Elsewhere, requested: Elsewhere) {
        self.note_peaks();
        self.blocks.adjust(blocks);
        self.bytes.adjust(bytes);
        self.requested.adjust(requested);
    }

    /// Bytes of blocks that are not free.
    pub(super) fn live(&self) -> Bytes {
        Bytes::new(sum(self.active_bytes()))
    }

    /// The most that was not free.
    #[inline]
    pub(super) fn live_peak(&self) -> Bytes {
        let since = self.bytes.peak.both.max(self.waiting.most_bytes.both);
        Bytes::new(since).max(self.live()).max(self.live_peak_before)
    }

    /// Takes the present for the peaks that are told; [`Counts::live_peak`] stays what it is.
    pub(super) fn reset_peaks(&mut self) {
        self.live_peak_before = self.live_peak();
        self.waiting.most_blocks = Peak::default();
        self.waiting.most_bytes = Peak::default();
        for flow in [&mut self.blocks, &mut self.bytes, &mut self.requested] {
            flow.peak = Peak::default();
        }
        self.note_peaks();
    }

    fn active_blocks(&self) -> [u64; 2] {
        added(self.blocks.now, self.waiting.blocks)
    }

    fn active_bytes(&self) -> [u64; 2] {
        added(self.bytes.now, self.waiting.bytes)
    }

    /// Writes them into statistics.
    pub(super) fn tell(&self, statistics: &mut Statistics) {
        let mut noted = *self;
        noted.note_peaks();
        let Self { blocks, bytes, requested, waiting, .. } = &noted;
        statistics.allocation = blocks.statistic([0; 2], Peak::default());
        statistics.allocated_bytes = bytes.statistic([0; 2], Peak::default());
        statistics.active = blocks.statistic(waiting.blocks, waiting.most_blocks);
        statistics.active_bytes = bytes.statistic(waiting.bytes, waiting.most_bytes);
        statistics.requested_bytes = requested.statistic([0; 2], Peak::default());
    }
}

impl Peak {
    #[inline]
    fn note(&mut self, now: [u64; 2]) {
        self.each[0] = self.each[0].max(now[0]);
        self.each[1] = self.each[1].max(now[1]);
        self.both = self.both.max(sum(now));
    }

    fn or(self, other: Self) -> Self {
        let each = [0, 1].map(|kind| self.each[kind].max(other.each[kind]));
        Self { each, both: self.both.max(other.both) }
    }
}

impl Flow {
    #[inline]
    fn increase(&mut self, kind: usize, amount: u64) {
        self.now[kind] += amount;
        self.all[kind] = self.all[kind].wrapping_add(amount);
    }

    #[inline]
    fn decrease(&mut self, kind: usize, amount: u64) {
        self.now[kind] -= amount;
    }

    fn adjust(&mut self, Elsewhere { more, all }: Elsewhere) {
        self.now[OF_SMALL] = self.now[OF_SMALL].wrapping_add_signed(more);
        self.all[OF_SMALL] = self.all[OF_SMALL].wrapping_add(all);
    }

    /// The statistic of it, with what waits added.
    fn statistic(&self, waiting: [u64; 2], most: Peak) -> Statistic {
        let (now, peak) = (added(self.now, waiting), self.peak.or(most));
        let change = |current, peak, allocated: u64| Change {
            current,
            peak,
            allocated,
            freed: allocated.wrapping_sub(current),
        };
        let of = |kind: usize| change(now[kind], peak.each[kind], self.all[kind]);
        Statistic {
            all: change(sum(now), peak.both, self.all[OF_SMALL].wrapping_add(self.all[OF_LARGE])),
            small_pool: of(OF_SMALL),
            large_pool: of(OF_LARGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gapless_trace::SizePool;
    use proptest::prelude::*;

    /// What happens to a block, in turn.
    #[derive(Clone, Copy, PartialEq)]
    enum Stage {
        Held,
        Waits,
    }

    /// Counts as PyTorch does: each number by itself, at each step.
    fn count(statistics: &mut Statistics, size: Bytes, held: i128, active: i128, requested: Bytes) {
        let pool = if size <= SMALL { SizePool::Small } else { SizePool::Large };
        let bytes = i128::from(size.get());
        statistics.allocation.change(pool, held);
        statistics.allocated_bytes.change(pool, held * bytes);
        statistics.active.change(pool, active);
        statistics.active_bytes.change(pool, active * bytes);
        statistics.requested_bytes.change(pool, active * i128::from(requested.get()));
    }

    /// What was handed out in all goes round; what is there does not change.
    #[test]
    fn a_long_life_overflows_nothing() {
        let mut counts = Counts::default();
        let size = Bytes::new(1 << 62);
        for _ in 0..10 {
            counts.hand_out(size, size);
            counts.give_back(size, size);
        }
        let mut told = Statistics::default();
        counts.tell(&mut told);
        let all = told.allocated_bytes.all;
        assert_eq!((all.current, all.peak), (0, 1 << 62));
        assert_eq!((all.allocated, all.freed), (1 << 63, 1 << 63));
        assert_eq!(told.allocation.all.allocated, 10);
    }

    proptest! {
        #[test]
        fn they_tell_what_counting_each_number_by_itself_does(
            steps in prop::collection::vec((0_u8..12, 0_usize..8, 1_u64..4), 1..200),
        ) {
            let (mut counts, mut plain) = (Counts::default(), Statistics::default());
            let mut blocks: Vec<(Stage, Bytes, Bytes)> = Vec::new();
            let mut most_alive = 0;
            for (kind, which, half_mib) in steps {
                let place = which % blocks.len().max(1);
                match (kind, blocks.get(place).copied()) {
                    (0, _) => {
                        counts.reset_peaks();
                        plain.reset_peaks();
                    }
                    (1..6, _) | (_, None) => {
                        let size = Bytes::new(half_mib << 19);
                        let requested = size - Bytes::new(which as u64);
                        counts.hand_out(size, requested);
                        count(&mut plain, size, 1, 1, requested);
                        blocks.push((Stage::Held, size, requested));
                    }
                    (6..9, Some((Stage::Held, size, requested))) => {
                        counts.defer(size);
                        count(&mut plain, size, -1, 0, requested);
                        blocks[place].0 = Stage::Waits;
                    }
                    (_, Some((stage, size, requested))) => {
                        if stage == Stage::Held {
                            counts.give_back(size, requested);
                            count(&mut plain, size, -1, -1, requested);
                        } else {
                            counts.finish(size, requested);
                            count(&mut plain, size, 0, -1, requested);
                        }
                        blocks.swap_remove(place);
                    }
                }
                let mut told = Statistics::default();
                counts.tell(&mut told);
                prop_assert_eq!(told, plain);
                most_alive = plain.active_bytes.all.peak.max(most_alive);
                prop_assert_eq!(counts.live_peak().get(), most_alive);
            }
        }
    }
}
