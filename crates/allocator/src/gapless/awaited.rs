//! What a request waits for that finds no pages: the fewest events that free enough.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gapless_device::EventId;
use gapless_units::{Bytes, StreamId};

use super::books::Books;
use super::deferred::Queued;
use super::names::{ArenaIndex, BlockIndex};
use super::time::Time;
use crate::observer::Observer;

/// Something that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// Work on a stream up to this event, which still uses blocks that were given back.
    Uses(StreamId, EventId),
    /// Work on the stream of an arena that has free pages.
    Arena(ArenaIndex),
}

/// Waits that free something together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    /// What they free, at least.
    pub(super) gain: Bytes,
    pub(super) awaited: Vec<Awaited>,
}

impl Waits {
    fn one(gain: Bytes, awaited: Awaited) -> Self {
        Self { gain, awaited: vec![awaited] }
    }

    /// The fewest waits first, of equally many those that free least.
    fn order(&self) -> (usize, Bytes, &[Awaited]) {
        (self.awaited.len(), self.gain, &self.awaited)
    }
}

impl<O: Observer> Books<O> {
    /// What to wait for so that `need` is free: the fewest waits that are enough, of these the ones
    /// that free least; or else what frees most.
    pub(super) fn smallest_sufficient(&self, arena: ArenaIndex, need: Bytes) -> Option<Waits> {
        let mut found = Vec::new();
        let mut shared: BTreeMap<BlockIndex, Waits> = BTreeMap::new();
        for (&stream, queue) in &self.deferred.queues {
            let mut gain = Bytes::ZERO;
            let mut is_enough = false;
            for &Queued { event, at, .. } in queue {
                // All before an event is done when it is.
                let awaited = Awaited::Uses(stream, event);
                let block = &self.blocks[at];
                // What cannot move is waited for last, in case it helps all the same.
                let helps = block.arena == arena || self.may_move(block.arena);
                let size = if helps { block.size } else { Bytes::ZERO };
                if 1 < self.deferred.count_of(at) {
                    let own = || Waits { gain: size, awaited: Vec::new() };
                    let of_block = shared.entry(at).or_insert_with(own);
                    of_block.gain += gain;
                    of_block.awaited.push(awaited);
                    continue;
                }
                gain += size;
                if need <= gain && !is_enough {
                    is_enough = true;
                    found.push(Waits::one(gain, awaited));
                }
            }
            if let Some(last) = queue.back().filter(|_| !is_enough) {
                found.push(Waits::one(gain, Awaited::Uses(stream, last.event)));
            }
        }
        let arenas = self.unsettled(arena).into_iter();
        found.extend(arenas.map(|(arena, gain)| Waits::one(gain, Awaited::Arena(arena))));
        found.extend(shared.into_values());
        let is_enough = |waits: &&Waits| need <= waits.gain;
        let sufficient = found.iter().filter(is_enough).min_by_key(|waits| waits.order());
        let most = || found.iter().max_by_key(|waits| (waits.gain, Reverse(waits.awaited.len())));
        sufficient.or_else(most).cloned()
    }

    /// The pages that lie free in other arenas whose streams may still work on them.
    fn unsettled(&self, arena: ArenaIndex) -> BTreeMap<ArenaIndex, Bytes> {
        let is_unsettled =
            |owner: ArenaIndex, until: Time| owner != arena && self.arenas[owner].settled < until;
        let mut unsettled: BTreeMap<ArenaIndex, usize> = BTreeMap::new();
        for at in self.idle_blocks() {
            let (owner, until) = (self.blocks[at].arena, self.blocks[at].freed);
            if is_unsettled(owner, until) {
                *unsettled.entry(owner).or_default() += self.movable_inside(at, usize::MAX).len();
            }
        }
        // A request that failed may have left pages spare that lay free in an arena.
        for page in self.table.spare().iter().filter_map(|&index| self.table.page(index)) {
            let (owner, until) = page.last_use;
            if is_unsettled(owner, until) {
                *unsettled.entry(owner).or_default() += 1;
            }
        }
        let unsettled = unsettled.into_iter().filter(|&(_, pages)| 0 < pages);
        unsettled.map(|(owner, pages)| (owner, self.table.bytes_of(pages as u64))).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Completion, Sim, SimSetup};
    use gapless_units::PoolId;

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::BlockId;
    use crate::gapless::{GaplessAllocator, Slack};

    const COMPUTE: StreamId = StreamId(0);
    const COPY: StreamId = StreamId(1);
    const SIDE: StreamId = StreamId(2);

    /// Work is never done by itself.
    fn allocator(pages: u64) -> GaplessAllocator<Sim> {
        let completion = Completion::WhenTold;
        let setup = SimSetup { completion, ..SimSetup::new(Bytes::mib(2 * pages)) };
        GaplessAllocator::new(Sim::new(setup), Slack::NONE, ())
    }

    fn take(it: &mut GaplessAllocator<Sim>, kib: u64) -> BlockId {
        it.allocate(Bytes::new(kib * 1024), COMPUTE).unwrap()
    }

    fn give(it: &mut GaplessAllocator<Sim>, block: BlockId, used_on: &[StreamId]) {
        for &stream in used_on {
            assert_eq!(it.record_stream(block, stream), Ok(()));
        }
        assert_eq!(it.free(block), Ok(()));
    }

    /// However many blocks it takes: all before an event of a stream is done when the event is.
    #[test]
    fn one_event_stands_for_all_before_it() {
        let mut it = allocator(32);
        let blocks = [(); 1000].map(|()| take(&mut it, 64));
        for block in blocks {
            give(&mut it, block, &[COPY]);
        }
        assert!(it.allocate(Bytes::mib(50), COMPUTE).is_ok());
        assert_eq!(it.stalls(), 1);
        let pending = it.books.deferred.queued();
        assert!((100..=200).contains(&pending), "no more than is needed: {pending} still wait");
        assert_eq!(it.check_invariants(), Ok(()));
    }

    #[test]
    fn a_block_of_one_stream_comes_before_one_of_two() {
        let mut it = allocator(8);
        let (both, one, _held) = (take(&mut it, 4096), take(&mut it, 6144), take(&mut it, 6144));
        give(&mut it, both, &[COPY, SIDE]);
        give(&mut it, one, &[SIDE]);
        assert!(it.allocate(Bytes::mib(4), COMPUTE).is_ok());
        assert_eq!(it.stalls(), 1);
        assert_eq!(it.check_invariants(), Ok(()));
    }

    #[test]
    fn a_block_of_two_streams_is_waited_for_on_both() {
        let mut it = allocator(8);
        let (both, small, _held) = (take(&mut it, 4096), take(&mut it, 2048), take(&mut it, 10240));
        give(&mut it, small, &[COPY]);
        give(&mut it, both, &[COPY, SIDE]);
        assert!(it.allocate(Bytes::mib(6), COMPUTE).is_ok());
        assert_eq!((it.stalls(), it.books.deferred.queued()), (1, 0));
        assert_eq!(it.check_invariants(), Ok(()));
    }

    /// What is pinned in another arena does not move, whatever is waited for.
    #[test]
    fn pinned_pages_are_not_waited_for() {
        let mut it = allocator(8);
        let pinned = it.allocate(Bytes::mib(8), COPY).unwrap();
        let free = it.allocate(Bytes::mib(4), SIDE).unwrap();
        let _held = take(&mut it, 4096);
        let extent = it.pin(pinned).unwrap();
        give(&mut it, pinned, &[]);
        give(&mut it, free, &[]);
        it.books.clear_front();
        let arena = it.books.arenas.of(PoolId::DEFAULT, COMPUTE);
        let waits = it.books.smallest_sufficient(arena, Bytes::mib(8)).unwrap();
        assert_eq!(waits.gain, Bytes::mib(4));
        assert!(it.unpin(extent));
    }

    /// Nor is what other streams still use of a private pool, whose pages do not move either.
    #[test]
    fn pools_of_others_are_not_waited_for() {
        let mut it = allocator(8);
        let graph = it.allocate_in(PoolId(0, 1), Bytes::mib(4), COMPUTE).unwrap();
        let (free, _held) = (take(&mut it, 6144), take(&mut it, 6144));
        give(&mut it, graph, &[SIDE]);
        give(&mut it, free, &[COPY]);
        assert!(it.allocate(Bytes::mib(4), COMPUTE).is_ok());
        assert_eq!(it.stalls(), 1);
        assert_eq!(it.books.deferred.queued(), 1, "the pool's block still waits");
    }
}
