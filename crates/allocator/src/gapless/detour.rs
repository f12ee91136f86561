//! Where a request goes whose place has frames in the way.
//!
//! Under a frame whose mapping was left, no other page can come before the work is done that may still
//! use its addresses; and a card is always behind its program. So where a place has such a frame, all
//! stretches of the free blocks that have none are looked at, page by page, also where nothing was ever
//! mapped: and the request goes to the one for which the fewest pages have to move.
//!
//! Addresses that are all new would do as well, but every page of the block would have to move there
//! for the sake of one that cannot.

use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

use super::books::Books;
use super::cheapest::RUN;
use super::names::{ArenaIndex, At, Frame, PageIndex};
use super::place::Place;
use crate::observer::Observer;

/// So many frames are looked at, from the tightest gap on: some milliseconds at the worst, which is what
/// moving a hundred pages takes.
const LOOKED_AT: usize = 1 << 15;

/// What a frame means for a block that comes to lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// It has this page, or gets it back without a call.
    Ready(PageIndex),
    /// It gets another page.
    Bare,
    /// No page can come there now.
    Blocked,
}

/// The frames of a gap, with sums over all before each.
struct Stretch {
    /// The first frame that the gap touches.
    first: u32,
    bare: Vec<usize>,
    runs: Vec<usize>,
    is_bare: Vec<bool>,
    /// For each frame the first from which on no frame up to here is in the way.
    clear_from: Vec<usize>,
}

impl Stretch {
    fn of(first: u32, grounds: impl Iterator<Item = Ground>) -> Self {
        let mut it = Self {
            first,
            bare: vec![0],
            runs: vec![0],
            is_bare: Vec::new(),
            clear_from: Vec::new(),
        };
        let mut clear_from = 0;
        let mut seen: FxHashMap<PageIndex, usize> = FxHashMap::default();
        for (at, ground) in grounds.enumerate() {
            match ground {
                // A page comes to one frame of a block only.
                Ground::Ready(page) => {
                    let before = seen.insert(page, at);
                    clear_from = before.map_or(clear_from, |before| clear_from.max(before + 1));
                }
                Ground::Bare => {}
                Ground::Blocked => clear_from = at + 1,
            }
            let is_bare = ground == Ground::Bare;
            let begins = is_bare && !it.is_bare.last().copied().unwrap_or(false);
            it.bare.push(it.bare[at] + usize::from(is_bare));
            it.runs.push(it.runs[at] + usize::from(begins));
            it.is_bare.push(is_bare);
            it.clear_from.push(clear_from);
        }
        it
    }

    /// What it costs to bring memory to so many frames from one on, as [`Books::cheapest_place`]
    /// counts; none where one is in the way.
    fn cost(&self, from: u32, count: usize) -> Option<usize> {
        let from = (from - self.first) as usize;
        let behind = from + count;
        if from < self.clear_from[behind - 1] {
            return None;
        }
        let goes_on = 0 < from && self.is_bare[from] && self.is_bare[from - 1];
        let runs = self.runs[behind] - self.runs[from] + usize::from(goes_on);
        Some(self.bare[behind] - self.bare[from] + RUN * runs)
    }
}

/// The best place so far.
#[derive(Default)]
struct Best(Option<(usize, Bytes, Addr, Place)>);

impl Best {
    fn consider(&mut self, cost: usize, gap: Bytes, place: Place) {
        let rank = (cost, gap, place.start());
        if self.0.is_none_or(|(cost, gap, start, _)| rank < (cost, gap, start)) {
            self.0 = Some((cost, gap, place.start(), place));
        }
    }
}

impl<O: Observer> Books<O> {
    /// The cheapest place where no frame is in the way.
    pub(super) fn detour(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let mut best = Best::default();
        let mut left = LOOKED_AT;
        for at in self.arenas[arena].free.between(&self.blocks, size, None) {
            let extent = self.within_reach(at, size);
            let frames = self.table.touched(self.blocks[at].territory, extent);
            let Some(more) = left.checked_sub(frames.size_hint().0) else { break };
            left = more;
            self.consider_stretches(at, extent, size, &mut best);
        }
        best.0.map(|(.., place)| place)
    }

    /// Of a free block, as much as may be of use: behind the frontier all places are alike.
    fn within_reach(&self, at: At, size: Bytes) -> Extent {
        let block = &self.blocks[at];
        let frontier = self.table.frontier(block.territory).max(block.addr);
        let enough = size + self.table.page_size;
        let is_far = frontier < block.end() && enough < block.end() - frontier;
        Extent::between(block.addr, if is_far { frontier + enough } else { block.end() })
    }

    /// Considers both ends of a stretch of a free block, and every page at which a block may begin.
    fn consider_stretches(&self, at: At, extent: Extent, size: Bytes, best: &mut Best) {
        let (table, territory) = (&self.table, self.blocks[at].territory);
        let frames = || table.touched(territory, extent);
        let Some(first) = frames().next() else { return };
        let settled = self.arenas[self.blocks[at].arena].settled;
        let stretch = Stretch::of(first.number, frames().map(|frame| self.ground(frame, settled)));
        let last = extent.start() + (extent.size() - size);
        let ends = [extent.start(), last];
        let pages = frames().map(|frame| table.addr(frame)).filter(|&addr| extent.start() < addr);
        for start in ends.into_iter().chain(pages) {
            let part = Extent::between(start, start + size);
            if !extent.contains(part) {
                continue;
            }
            let mut touched = table.touched(territory, part);
            let count = touched.size_hint().0;
            let Some(from) = touched.next() else { continue };
            if let Some(cost) = stretch.cost(from.number, count) {
                let place = Place::new(at, part);
                best.consider(cost + self.cost_of_cut(place), self.blocks[at].size, place);
            }
        }
    }

    fn ground(&self, frame: Frame, settled: u64) -> Ground {
        let book = self.table.frame(frame);
        let is_ready = self.table.has_memory(frame) || !book.underway && self.can_revive(frame);
        match book.page {
            Some(page) if is_ready => Ground::Ready(page),
            _ if book.underway => Ground::Blocked,
            Some(_) if settled < book.left => Ground::Blocked,
            Some(_) | None => Ground::Bare,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gapless_device::{Completion, Sim, SimSetup};
    use gapless_units::{PoolId, StreamId};

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::block::State;
    use crate::gapless::names::are_neighbors;
    use crate::gapless::request::rounded;
    use crate::gapless::turns::{Numbers, turn};
    use crate::gapless::{GaplessAllocator, Slack};

    /// A device whose streams are behind until they are told.
    fn allocator() -> GaplessAllocator<Sim> {
        let completion = Completion::WhenTold;
        let device = Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::gib(8)) });
        GaplessAllocator::new(device, Slack::NONE, ())
    }

    /// One page that cannot come is no reason to move all others.
    #[test]
    fn a_frame_in_the_way_is_passed_by() {
        let mut it = allocator();
        let take = |it: &mut GaplessAllocator<Sim>, mib| {
            let block = it.allocate(Bytes::mib(mib), StreamId(0)).unwrap();
            (block, it.extent(block).unwrap().start())
        };
        let (first, _) = take(&mut it, 20);
        let _apart = take(&mut it, 2);
        it.free(first).unwrap();
        // All of its pages move here, and back again.
        let (behind, place) = take(&mut it, 22);
        it.free(behind).unwrap();
        let (first, _) = take(&mut it, 18);
        // One of them is in use now, while work may still go on where it was in between.
        let _last = take(&mut it, 2);
        it.free(first).unwrap();
        let before = it.device().calls().map;
        let (_, beside) = take(&mut it, 22);
        assert_eq!(beside - place, Bytes::mib(2));
        assert_eq!(it.device().calls().map - before, 1);
        assert_eq!(it.stalls(), 0);
        it.check_invariants().unwrap();
    }

    impl Books<()> {
        /// Every place of an arena that a detour may lead to, with its rank.
        fn detours_one_by_one(&self, arena: ArenaIndex, size: Bytes) -> Vec<(usize, Bytes, Addr)> {
            let territories = self.table.territories().filter(|(_, book)| book.arena == arena);
            let all = territories.flat_map(|(_, book)| self.blocks.from(book.first));
            let gaps = all
                .filter(|&at| self.blocks[at].state == State::Free && size <= self.blocks[at].size);
            let settled = self.arenas[arena].settled;
            let mut ranks = Vec::new();
            for at in gaps {
                let extent = self.within_reach(at, size);
                let territory = self.blocks[at].territory;
                let starts = self.table.touched(territory, extent).map(|it| self.table.addr(it));
                let ends = [extent.start(), extent.start() + (extent.size() - size)];
                for start in starts.chain(ends) {
                    let part = Extent::between(start, start + size);
                    let frames: Vec<Frame> = self.table.touched(territory, part).collect();
                    let ground = |&frame: &Frame| self.ground(frame, settled);
                    let is_blocked = frames.iter().any(|it| ground(it) == Ground::Blocked);
                    let mut back = BTreeSet::new();
                    let comes_twice = frames.iter().any(|it| match ground(it) {
                        Ground::Ready(page) => !back.insert(page),
                        Ground::Bare | Ground::Blocked => false,
                    });
                    if !extent.contains(part) || is_blocked || comes_twice {
                        continue;
                    }
                    let bare: Vec<Frame> =
                        frames.into_iter().filter(|it| ground(it) == Ground::Bare).collect();
                    let runs = bare.chunk_by(are_neighbors).count();
                    let cost = bare.len() + RUN * runs + self.cost_of_cut(Place::new(at, part));
                    ranks.push((cost, self.blocks[at].size, start));
                }
            }
            ranks
        }
    }

    /// Against all places one by one, in a program that is short of pages and whose stream is behind.
    #[test]
    fn no_detour_is_cheaper() {
        let mut numbers = Numbers(9);
        let turn = turn(&mut numbers, 120);
        let mut it = allocator();
        let mut held = Vec::new();
        let (mut blocked, mut moved) = (0, 0);
        for (request, asked) in turn.iter().cycle().take(20 * turn.len()).enumerate() {
            for (_, block) in held.extract_if(.., |&mut (end, _)| end <= request) {
                it.free(block).unwrap();
            }
            if request.is_multiple_of(300) {
                it.device_mut().finish_all_work();
            }
            let books = &mut it.books;
            books.clear_front();
            let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
            let size = rounded(asked.size);
            if let Some(tightest) = books.best_place(arena, size)
                && 0 < books.missing(tightest).count()
            {
                let best = books.detours_one_by_one(arena, size).into_iter().min();
                let found = books.detour(arena, size);
                let found = found.map(|place| (books.blocks[place.at()].size, place.start()));
                assert_eq!(found, best.map(|(_, gap, start)| (gap, start)), "request {request}");
                let settled = books.arenas[arena].settled;
                let is_blocked = |frame| books.ground(frame, settled) == Ground::Blocked;
                blocked += usize::from(books.missing(tightest).any(is_blocked));
                moved += 1;
            }
            let block = it.allocate(asked.size, StreamId(0)).unwrap();
            held.push((request + asked.life, block));
        }
        assert!(100 < moved && 20 < blocked, "{moved} {blocked}");
        it.check_invariants().unwrap();
    }
}
