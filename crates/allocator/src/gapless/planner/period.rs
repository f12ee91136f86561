//! Whether a program repeats itself: the period of what it asks for.
//!
//! Requests have a period where each is as large as the one a period before, for a whole period at
//! least. To find it without comparing all with all, some requests are *anchors*: those at which a
//! fingerprint of the last 32 sizes happens to begin with four zero bits. The distance to the last anchor with the
//! same fingerprint is what the period may be, and is compared then. A period of few requests may have
//! no anchor, and is not found.
//!
//! Anchors that depend on nothing but what lies before them are how files are cut for deduplication;
//! the fingerprint is the gear hash (W. Xia and others, "`FastCDC`: a Fast and Efficient
//! Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016).

use gapless_units::Bytes;
use rustc_hash::FxHashMap;

use crate::gapless::names::RequestNumber;

/// The longest period that is found, in requests.
pub(super) const LONGEST: usize = 1 << 14;

/// How many sizes are kept: those of two of the longest periods.
const KEPT: usize = 2 * LONGEST;

/// How many requests in a row repeat what was before, at least, for a program to be steady. A server
/// that makes a sentence asks for the same with every word, but not for long.
const STEADY: usize = 4096;

/// How many anchors are known. With more, all are forgotten: such a program does not come back.
const ANCHORS: usize = KEPT / 4;

/// What a program asks for, as far as its period goes.
#[derive(Debug)]
pub(super) struct PeriodFinder {
    /// The last sizes, in a ring, in short.
    sizes: Vec<u32>,
    /// How many sizes there were.
    count: usize,
    fingerprint: Fingerprint,
    /// Zero where there is none.
    period: usize,
    /// How many sizes there had been when the last `period` of them were found to repeat those before.
    found: usize,
    /// When the period passes once more.
    turn_ends: usize,
    /// The longest run of requests with a period that ended.
    longest_ended: usize,
    /// How many sizes there had been when the last 32 sizes had a fingerprint last.
    anchors: FxHashMap<Fingerprint, usize>,
    /// No distance is compared before there were so many sizes: each comparison is paid for by as many
    /// requests as it looked at.
    compare_from: usize,
}

impl Default for PeriodFinder {
    fn default() -> Self {
        Self {
            sizes: vec![0; KEPT],
            count: 0,
            fingerprint: Fingerprint::default(),
            period: 0,
            found: 0,
            turn_ends: 0,
            longest_ended: 0,
            anchors: FxHashMap::default(),
            compare_from: 0,
        }
    }
}

impl PeriodFinder {
    /// Takes in the size of a request. Says whether there is more to it, which is for
    /// [`PeriodFinder::follow_up`]: this is all that most requests cost.
    #[inline]
    pub(super) fn note(&mut self, size: Bytes) -> bool {
        let mixed = mixed(size);
        let short = (mixed >> 32) as u32;
        // Without a period this is a size so long ago that it is about to be forgotten.
        let before = self.sizes[self.count.wrapping_sub(self.period) % KEPT];
        self.sizes[self.count % KEPT] = short;
        self.count = self.count.wrapping_add(1);
        self.fingerprint = self.fingerprint.and(mixed);
        let is_broken = before != short && self.period != 0;
        is_broken || self.count == self.turn_ends || self.fingerprint.is_anchor()
    }

    /// Looks at the last size. Says whether the period has passed once more with it.
    pub(super) fn follow_up(&mut self) -> bool {
        if self.period != 0 && self.back(1) != self.back(1 + self.period) {
            self.longest_ended = self.longest_ended.max(self.run() - 1);
            self.period = 0;
            self.turn_ends = 0;
        }
        if self.fingerprint.is_anchor() {
            self.look_back();
        }
        let ends_turn = self.count == self.turn_ends;
        if ends_turn {
            self.turn_ends += self.period;
        }
        ends_turn
    }

    /// The size so many requests ago, in short.
    fn back(&self, steps: usize) -> u32 {
        self.sizes[self.count.wrapping_sub(steps) % KEPT]
    }

    /// Forgets all that was found: what comes next does not follow on it.
    pub(super) fn forget(&mut self) {
        self.period = 0;
        self.turn_ends = 0;
        self.longest_ended = 0;
        self.anchors.clear();
    }

    /// The number of the next request.
    #[inline]
    pub(super) fn next_request(&self) -> RequestNumber {
        RequestNumber::behind(self.count)
    }

    /// The period, where there is one.
    pub(super) fn period(&self) -> Option<usize> {
        (self.period != 0).then_some(self.period)
    }

    /// How many requests in a row have been those of a period before.
    fn run(&self) -> usize {
        self.count - self.found + self.period
    }

    /// Whether the period was found in the last turn of it.
    pub(super) fn is_new(&self) -> bool {
        self.run() <= 2 * self.period
    }

    /// Whether the period is not one of a part of what repeats, as the layers of a model are: it has
    /// lasted twice as long as any that ended.
    pub(super) fn is_the_whole(&self) -> bool {
        STEADY.max(2 * self.longest_ended) <= self.run()
    }

    /// The fingerprint of the last sizes, where the last request is an anchor.
    pub(super) fn anchor(&self) -> Option<Fingerprint> {
        self.fingerprint.is_anchor().then_some(self.fingerprint)
    }

    /// Compares the last requests with those before the last anchor like this.
    fn look_back(&mut self) {
        if self.anchors.len() == ANCHORS {
            self.anchors.clear();
        }
        let Some(last) = self.anchors.insert(self.fingerprint, self.count) else { return };
        let distance = self.count - last;
        let may_be_one = self.period < distance && distance <= LONGEST;
        if !may_be_one || self.count < self.compare_from {
            return;
        }
        let alike = (1..=distance.min(self.count - distance))
            .take_while(|&steps| self.back(steps) == self.back(steps + distance))
            .count();
        if alike == distance {
            self.period = distance;
            self.found = self.count;
            self.turn_ends = self.count + distance;
        } else {
            self.compare_from = self.count + alike;
        }
    }
}

/// What the last 32 sizes are, in a number: each moves two bits further, and out at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Of how many sizes it is.
    pub(super) const SIZES: usize = 32;

    /// The same with one more size, which is [`mixed`].
    #[must_use]
    pub(super) fn and(self, mixed: u64) -> Self {
        Self((self.0 << 2).wrapping_add(mixed))
    }

    /// One in sixteen is.
    pub(super) fn is_anchor(self) -> bool {
        self.0 >> 60 == 0
    }
}

/// A size as a number whose upper bits all depend on it.
#[inline]
pub(super) fn mixed(size: Bytes) -> u64 {
    // The multiplier is 2^64 divided by the golden ratio, as for Fibonacci hashing.
    size.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gapless::turns::Numbers;

    fn note(finder: &mut PeriodFinder, size: u64) -> bool {
        finder.note(Bytes::new(size)) && finder.follow_up()
    }

    /// A finder that has seen sizes.
    fn found_in(sizes: impl IntoIterator<Item = u64>) -> PeriodFinder {
        let mut finder = PeriodFinder::default();
        for size in sizes {
            note(&mut finder, 512 * size);
        }
        finder
    }

    /// An iteration of 12 layers of 40 requests between 300 others.
    fn iteration() -> Vec<u64> {
        let layers = (0..12).flat_map(|_| (0..40).map(|at| 7 + at % 9));
        (100..250).chain(layers).chain(300..450).collect()
    }

    #[test]
    fn an_iteration_is_found_and_not_its_layers() {
        let iteration = iteration();
        let finder = found_in(iteration.repeat(4));
        assert_eq!(finder.period(), Some(iteration.len()));
        assert!(!finder.is_the_whole(), "it might be a loop that is over soon");
        let finder = found_in(iteration.repeat(9));
        assert_eq!(finder.period(), Some(iteration.len()));
        assert!(finder.is_the_whole());
    }

    #[test]
    fn layers_end_before_they_are_trusted() {
        let layer: Vec<u64> = (0..80).map(|at| 7 + at % 50).collect();
        let mut finder = found_in(layer.repeat(20));
        assert_eq!(finder.period(), Some(80));
        assert!(!finder.is_the_whole());
        (0..100).for_each(|size| {
            note(&mut finder, 1 + size);
        });
        layer.repeat(40).iter().for_each(|&size| {
            note(&mut finder, 512 * size);
        });
        assert!(!finder.is_the_whole(), "it ended before as soon");
    }

    #[test]
    fn what_differs_ends_the_period() {
        let iteration = iteration();
        let mut finder = found_in(iteration.repeat(4));
        assert!(finder.period().is_some());
        note(&mut finder, 1);
        assert_eq!((finder.period(), finder.count), (None, 4 * iteration.len() + 1));
    }

    #[test]
    fn turns_are_told() {
        let iteration = iteration();
        let mut finder = found_in(iteration.repeat(3));
        let mut ends = Vec::new();
        for (place, &size) in iteration.repeat(4).iter().enumerate() {
            if note(&mut finder, 512 * size) {
                assert_eq!(finder.is_new(), ends.is_empty());
                ends.push(place);
            }
        }
        assert_eq!(ends.len(), 4);
        assert!(ends.windows(2).all(|pair| pair[0] + iteration.len() == pair[1]), "{ends:?}");
    }

    #[test]
    fn what_never_repeats_has_no_period_and_is_forgotten() {
        let mut numbers = Numbers(1);
        let finder = found_in((0..20 * KEPT).map(|_| numbers.below(1 << 24)));
        assert_eq!(finder.period(), None);
        assert!(finder.anchors.len() <= ANCHORS);
    }

    #[test]
    fn a_period_may_be_as_long_as_what_is_kept_of_it() {
        let long: Vec<u64> = (0..LONGEST as u64).collect();
        let finder = found_in(long.repeat(3));
        assert_eq!(finder.period(), Some(LONGEST));
        let too_long: Vec<u64> = (0..=LONGEST as u64).collect();
        assert_eq!(found_in(too_long.repeat(3)).period(), None);
    }
}
