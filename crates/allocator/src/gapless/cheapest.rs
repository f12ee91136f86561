//! Where a request goes for which pages are short: where it costs least to bring memory, now and
//! later.

use gapless_units::{Addr, Bytes};

use super::books::Books;
use super::names::{Slot, are_neighbors};
use super::place::Place;
use crate::observer::Observer;

/// The ends of how many gaps are considered, bin by bin from the tightest on. Known places are in any gap.
const LOOKED_AT: usize = 64;

/// What a run of slots costs beyond its pages, which cost one each: two calls more. An A100's driver
/// takes as long for them as for 41 pages, that of an H100 no longer than for the pages in it.
pub(super) const RUN: usize = 16;

/// A gap that is larger by more than this part of the request is cut, not filled.
const LOOSE: u64 = 8;

/// The best place so far.
struct Cheapest<'a, O> {
    books: &'a Books<O>,
    place: Place,
    cost: usize,
}

impl<'a, O: Observer> Cheapest<'a, O> {
    fn new(books: &'a Books<O>, place: Place) -> Self {
        let cost = books.cost(place, usize::MAX);
        Self { books, place, cost }
    }

    /// Of equally cheap places that in the smallest gap comes first.
    fn rank(&self, place: Place) -> (Bytes, Addr) {
        (self.books.blocks[place.at()].size, place.start())
    }

    fn consider(&mut self, place: Place) {
        let (rank, best) = (self.rank(place), self.rank(self.place));
        if rank == best {
            return;
        }
        // Counted no further than to where it is clear which of the two is better.
        let enough = self.cost + usize::from(rank < best);
        let cost = self.books.cost(place, enough);
        if cost < enough {
            (self.place, self.cost) = (place, cost);
        }
    }
}

impl<O: Observer> Books<O> {
    /// The cheapest place: in one of the tightest gaps, in the tightest that needs no memory, or where
    /// a block of this size was mapped before.
    pub(super) fn cheapest_place(&self, tightest: Place) -> Place {
        let (arena, size) = (self.blocks[tightest.at()].arena, tightest.size());
        let (free, known) = (&self.arenas[arena].free, &self.arenas[arena].known);
        // It costs next to nothing, so of all others little has to be counted.
        let ready = self.ready_place(arena, size);
        let mut cheapest = Cheapest::new(self, ready.unwrap_or(tightest));
        cheapest.consider(tightest);
        // In larger gaps than one that needs no memory there is nothing better.
        let most = ready.map(|ready| self.blocks[ready.at()].size);
        let known = known.of(size);
        let looked_at = if known.is_some() { usize::MAX } else { LOOKED_AT };
        for (count, at) in free.between(&self.blocks, size, most).take(looked_at).enumerate() {
            if count < LOOKED_AT && at != tightest.at() {
                cheapest.consider(self.place_in(at, size));
            }
            let parts = known.iter().flat_map(|known| known.within(self.blocks[at].extent()));
            parts.for_each(|part| cheapest.consider(Place::new(at, part)));
        }
        cheapest.place
    }

    /// What it costs to bring memory to a place: the pages that are missing, the runs that they are
    /// in, and a run more where a gap is cut that a larger request would fill. Counted until it is
    /// `enough`.
    fn cost(&self, place: Place, enough: usize) -> usize {
        let mut cost = self.cost_of_cut(place);
        let mut last = None;
        let mut missing = self.missing(place);
        while cost < enough
            && let Some(slot) = missing.next()
        {
            let goes_on = last.is_some_and(|last| are_neighbors(&last, &slot));
            cost += if goes_on { 1 } else { 1 + RUN };
            last = Some(slot);
        }
        cost
    }

    /// What it costs that a gap is cut which a larger request would fill.
    pub(super) fn cost_of_cut(&self, place: Place) -> usize {
        let size = place.size();
        let beside = self.blocks[place.at()].size - size;
        let is_loose = self.table.page_size.max(Bytes::new(size.get() / LOOSE)) < beside;
        if is_loose { RUN } else { 0 }
    }

    /// The slots of a place that need another page than they had.
    pub(super) fn missing(&self, place: Place) -> impl Iterator<Item = Slot> {
        let slots = self.lacking(place);
        slots.filter(|&slot| !self.can_revive(slot))
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};
    use gapless_units::{PoolId, StreamId};

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::block::State;
    use crate::gapless::names::{ArenaIndex, BlockIndex};
    use crate::gapless::page::Page;
    use crate::gapless::request::rounded;
    use crate::gapless::turns::{Numbers, turn};
    use crate::gapless::{GaplessAllocator, Slack};

    impl Books<()> {
        /// Every free block of an arena that is at least so large.
        fn gaps_of(&self, arena: ArenaIndex, size: Bytes) -> Vec<BlockIndex> {
            let reservations = self.table.reservations().filter(|(_, book)| book.arena == arena);
            let all = reservations.flat_map(|(_, book)| self.blocks.from(book.first));
            let fits = |at: &BlockIndex| {
                self.blocks[*at].state == State::Free && size <= self.blocks[*at].size
            };
            all.filter(fits).collect()
        }

        /// The slots of a place whose pages are missing, each looked for among all free blocks.
        fn missing_one_by_one(&self, place: Place) -> Vec<Slot> {
            let lies_free = |slot: &Slot| {
                let page = self.table.slot(*slot).page.and_then(|index| self.table.page(index));
                let home = page.and_then(Page::home).map(|home| self.table.extent(home));
                let mut all = self.arenas.indices().flat_map(|it| self.gaps_of(it, Bytes::ZERO));
                home.is_some_and(|home| all.any(|at| self.blocks[at].extent().contains(home)))
            };
            self.lacking(place).filter(|slot| !lies_free(slot)).collect()
        }
    }

    /// Against all gaps and all known places, one by one, of a program that is short of pages.
    #[test]
    fn no_place_is_cheaper() {
        let mut numbers = Numbers(4);
        let turn = turn(&mut numbers, 120);
        let device = Sim::new(SimSetup::new(Bytes::gib(8)));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let mut held = Vec::new();
        let (mut searches, mut elsewhere, mut before) = (0, 0, 0);
        for (request, asked) in turn.iter().cycle().take(30 * turn.len()).enumerate() {
            for (_, block) in held.extract_if(.., |&mut (end, _)| end <= request) {
                assert_eq!(allocator.free(block), Ok(()));
            }
            let books = &mut allocator.books;
            books.clear_front();
            let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
            let size = rounded(asked.size);
            if let Some(tightest) = books.best_place(arena, size)
                && 0 < books.lacking(tightest).count()
            {
                let gaps = books.gaps_of(arena, size);
                let ends = gaps.iter().map(|&at| books.place_in(at, size));
                let known = books.arenas[arena].known.of(size);
                let known: Vec<Place> = known.map_or(Vec::new(), |known| {
                    let within = |&at: &BlockIndex| {
                        let parts = known.within(books.blocks[at].extent());
                        parts.map(move |part| Place::new(at, part))
                    };
                    gaps.iter().flat_map(within).collect()
                });
                let rank = |place: Place| {
                    let missing = books.missing_one_by_one(place);
                    let gap = books.blocks[place.at()].size;
                    let is_cut = Bytes::mib(2) < gap - size && size.get() < (gap - size).get() * 8;
                    let runs = missing.chunk_by(are_neighbors).count() + usize::from(is_cut);
                    (missing.len() + 16 * runs, gap, place.start())
                };
                let best = ends.chain(known.iter().copied()).map(rank).min();
                let found = rank(books.cheapest_place(tightest));
                assert_eq!(Some(found), best, "request {request} of {size}");
                searches += 1;
                elsewhere += u32::from(found.2 != tightest.start());
                before += u32::from(known.iter().any(|place| place.start() == found.2));
            }
            let block = allocator.allocate(asked.size, StreamId(0)).unwrap();
            held.push((request + asked.life, block));
        }
        assert!(100 < searches && 10 < elsewhere && 10 < before, "{searches} {elsewhere} {before}");
    }

    /// More gaps without memory than are looked at, all of which are tighter.
    #[test]
    fn a_gap_with_memory_is_found_behind_many_without() {
        let device = Sim::new(SimSetup::new(Bytes::gib(8)));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let mut take = |size| allocator.allocate(size, StreamId(0)).unwrap();
        let size = Bytes::mib(4);
        let apart = Bytes::new(512);
        let tight: Vec<_> = (0..LOOKED_AT + 6).map(|_| (take(size), take(apart))).collect();
        let (loose, _) = (take(Bytes::mib(8)), take(apart));
        for &(block, _) in &tight {
            assert_eq!(allocator.free(block), Ok(()));
        }
        // All pages inside the gaps move here.
        let pages = Bytes::mib(4 * tight.len() as u64);
        assert!(allocator.allocate(pages, StreamId(0)).is_ok());
        let there = allocator.extent(loose).unwrap();
        assert_eq!(allocator.free(loose), Ok(()));
        let books = &mut allocator.books;
        books.clear_front();
        let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
        let tightest = books.best_place(arena, size).unwrap();
        assert!(!books.missing_one_by_one(tightest).is_empty());
        let found = books.cheapest_place(tightest).start();
        assert!(there.start() <= found && found < there.end(), "{found} is not in {there:?}");
    }
}
