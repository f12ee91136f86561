//! Where a request goes whose place has slots in the way.
//!
//! Under a slot whose mapping was left, no other page can come before the work is done that may still
//! use its addresses; and a card is always behind its program. So where a place has such a slot, all
//! stretches of the free blocks that have none are looked at, page by page, also where nothing was ever
//! mapped: and the request goes to the one for which the fewest pages have to move.
//!
//! Addresses that are all new would do as well, but every page of the block would have to move there
//! for the sake of one that cannot.

use gapless_units::{Addr, Bytes, Extent};

use super::books::Books;
use super::cheapest::RUN;
use super::names::{ArenaIndex, BlockIndex, PageIndex, Slot};
use super::place::Place;
use super::time::Time;
use crate::observer::Observer;

/// So many slots are looked at, from the tightest gap on: mostly in a fraction of a millisecond, in which
/// ten pages move.
const LOOKED_AT: usize = 1 << 15;

/// What a slot means for a block that comes to lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// It has this page, or gets it back without a call.
    Ready(PageIndex),
    /// It gets another page.
    Bare,
    /// No page can come there now.
    Blocked,
}

/// Which pages come back to slots that they left, as far as that was looked up: most were mapped under
/// several.
#[derive(Default)]
struct Comers(Vec<Option<bool>>);

impl Comers {
    fn comes(&mut self, page: PageIndex, look_up: impl FnOnce() -> bool) -> bool {
        let place = page.0 as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        *self.0[place].get_or_insert_with(look_up)
    }
}

/// Which pages were met, and under which slot of which gap last.
#[derive(Default)]
struct Met {
    gap: u32,
    last: Vec<(u32, u32)>,
}

impl Met {
    /// Goes on to the next gap.
    fn next_gap(&mut self) {
        self.gap += 1;
    }

    /// Takes in that a page is met under a slot; the slot of the same gap where it was met before.
    fn meet(&mut self, page: PageIndex, slot: u32) -> Option<u32> {
        let place = page.0 as usize;
        if self.last.len() <= place {
            self.last.resize(place + 1, (0, 0));
        }
        let (gap, before) = std::mem::replace(&mut self.last[place], (self.gap, slot));
        (gap == self.gap).then_some(before)
    }
}

/// What is known up to a slot of a gap.
#[derive(Clone, Copy, Default)]
struct UpTo {
    /// How many slots before are bare.
    bare: u32,
    /// How many runs of such slots begin before.
    runs: u32,
    is_bare: bool,
    /// The first slot from which on none is in the way, up to this one.
    clear_from: u32,
}

/// The slots of a gap, counted from its first, and one more behind them.
struct Stretch(Vec<UpTo>);

impl Stretch {
    fn of(grounds: impl ExactSizeIterator<Item = Ground>, met: &mut Met) -> Self {
        met.next_gap();
        let mut all = Vec::with_capacity(grounds.len() + 1);
        let mut now = UpTo::default();
        for (at, ground) in (0..).zip(grounds) {
            let begins = ground == Ground::Bare && !now.is_bare;
            match ground {
                // A page comes to one slot of a block only.
                Ground::Ready(page) => {
                    let before = met.meet(page, at).map_or(0, |before| before + 1);
                    now.clear_from = now.clear_from.max(before);
                }
                Ground::Bare => {}
                Ground::Blocked => now.clear_from = at + 1,
            }
            now.is_bare = ground == Ground::Bare;
            all.push(now);
            now.bare += u32::from(now.is_bare);
            now.runs += u32::from(begins);
        }
        all.push(now);
        Self(all)
    }

    /// What it costs to bring memory to so many slots from one on, as [`Books::cheapest_place`]
    /// counts; none where one is in the way.
    fn cost(&self, from: usize, count: usize) -> Option<usize> {
        let (first, behind) = (self.0[from], self.0[from + count]);
        if from < self.0[from + count - 1].clear_from as usize {
            return None;
        }
        // A run that begins before goes on here.
        let goes_on = 0 < from && first.is_bare && self.0[from - 1].is_bare;
        let runs = (behind.runs - first.runs) as usize + usize::from(goes_on);
        Some((behind.bare - first.bare) as usize + RUN * runs)
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
    /// The cheapest place where no slot is in the way.
    pub(super) fn detour(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let (mut best, mut met, mut comers) = (Best::default(), Met::default(), Comers::default());
        let settled = self.arenas[arena].settled;
        let mut left = LOOKED_AT;
        for at in self.arenas[arena].free.between(&self.blocks, size, None) {
            let extent = self.within_reach(at, size);
            let slots = self.table.touched(self.blocks[at].reservation, extent);
            let Some(more) = left.checked_sub(slots.len()) else { break };
            left = more;
            let grounds = slots.map(|slot| self.ground(slot, settled, &mut comers));
            self.consider_stretch(at, extent, size, &Stretch::of(grounds, &mut met), &mut best);
        }
        best.0.map(|(.., place)| place)
    }

    /// Of a free block, as much as may be of use: behind the frontier all places are alike.
    fn within_reach(&self, at: BlockIndex, size: Bytes) -> Extent {
        let block = &self.blocks[at];
        let frontier = self.table.frontier(block.reservation).max(block.addr);
        let enough = size + self.table.page_size;
        let is_far = frontier < block.end() && enough < block.end() - frontier;
        Extent::between(block.addr, if is_far { frontier + enough } else { block.end() })
    }

    /// Considers both ends of a stretch of a free block, and every page at which a block may begin.
    fn consider_stretch(
        &self,
        at: BlockIndex,
        extent: Extent,
        size: Bytes,
        stretch: &Stretch,
        best: &mut Best,
    ) {
        let (table, reservation) = (&self.table, self.blocks[at].reservation);
        let slots = || table.touched(reservation, extent);
        let Some(first) = slots().next() else { return };
        let mut consider = |start: Addr, from: usize, count: usize| {
            if let Some(cost) = stretch.cost(from, count) {
                let place = Place::new(at, Extent::between(start, start + size));
                best.consider(cost + self.cost_of_cut(place), self.blocks[at].size, place);
            }
        };
        for start in [extent.start(), extent.start() + (extent.size() - size)] {
            let touched = table.touched(reservation, Extent::between(start, start + size));
            let count = touched.len();
            for slot in touched.take(1) {
                consider(start, (slot.number - first.number) as usize, count);
            }
        }
        // All others begin with a page.
        let count = usize::try_from(table.pages_for(size)).unwrap_or(usize::MAX);
        for (from, slot) in slots().enumerate().skip(1) {
            let start = table.addr(slot);
            if start + size <= extent.end() {
                consider(start, from, count);
            }
        }
    }

    /// What a slot means for a block, where the work of its stream is done up to `settled`.
    fn ground(&self, slot: Slot, settled: Time, comers: &mut Comers) -> Ground {
        let book = self.table.slot(slot);
        match book.page {
            Some(page) if self.table.has_memory(slot) => Ground::Ready(page),
            _ if book.underway => Ground::Blocked,
            Some(page)
                if book.revivable().is_some() && comers.comes(page, || self.can_revive(slot)) =>
            {
                Ground::Ready(page)
            }
            Some(_) if settled < book.used_until => Ground::Blocked,
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
    fn a_slot_in_the_way_is_passed_by() {
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
            let reservations = self.table.reservations().filter(|(_, book)| book.arena == arena);
            let all = reservations.flat_map(|(_, book)| self.blocks.from(book.first));
            let gaps = all
                .filter(|&at| self.blocks[at].state == State::Free && size <= self.blocks[at].size);
            let settled = self.arenas[arena].settled;
            let mut ranks = Vec::new();
            for at in gaps {
                let extent = self.within_reach(at, size);
                let reservation = self.blocks[at].reservation;
                let starts = self.table.touched(reservation, extent).map(|it| self.table.addr(it));
                let ends = [extent.start(), extent.start() + (extent.size() - size)];
                for start in starts.chain(ends) {
                    let part = Extent::between(start, start + size);
                    let slots: Vec<Slot> = self.table.touched(reservation, part).collect();
                    let ground = |&slot: &Slot| self.ground(slot, settled, &mut Comers::default());
                    let is_blocked = slots.iter().any(|it| ground(it) == Ground::Blocked);
                    let mut back = BTreeSet::new();
                    let comes_twice = slots.iter().any(|it| match ground(it) {
                        Ground::Ready(page) => !back.insert(page),
                        Ground::Bare | Ground::Blocked => false,
                    });
                    if !extent.contains(part) || is_blocked || comes_twice {
                        continue;
                    }
                    let bare: Vec<Slot> =
                        slots.into_iter().filter(|it| ground(it) == Ground::Bare).collect();
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
                let is_blocked =
                    |slot| books.ground(slot, settled, &mut Comers::default()) == Ground::Blocked;
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
