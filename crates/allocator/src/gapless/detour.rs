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

use super::books::Books;
use super::cheapest::RUN;
use super::names::{ArenaIndex, At, Frame};
use super::place::Place;
use crate::observer::Observer;

/// So many frames are looked at, from the tightest gap on: less than a millisecond.
const LOOKED_AT: usize = 1 << 15;

/// What a frame means for a block that comes to lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// It has its page, or gets it back without a call.
    Ready,
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
    blocked: Vec<usize>,
    is_bare: Vec<bool>,
}

impl Stretch {
    fn of(first: u32, grounds: impl Iterator<Item = Ground>) -> Self {
        let (mut bare, mut runs, mut blocked) = (vec![0], vec![0], vec![0]);
        let mut is_bare = Vec::new();
        for ground in grounds {
            let begins = ground == Ground::Bare && !is_bare.last().copied().unwrap_or(false);
            bare.push(bare[bare.len() - 1] + usize::from(ground == Ground::Bare));
            runs.push(runs[runs.len() - 1] + usize::from(begins));
            blocked.push(blocked[blocked.len() - 1] + usize::from(ground == Ground::Blocked));
            is_bare.push(ground == Ground::Bare);
        }
        Self { first, bare, runs, blocked, is_bare }
    }

    /// What it costs to bring memory to so many frames from one on, as [`Books::cheapest_place`]
    /// counts; none where one is in the way.
    fn cost(&self, from: u32, count: usize) -> Option<usize> {
        let from = (from - self.first) as usize;
        let behind = from + count;
        if self.blocked[behind] != self.blocked[from] {
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
        if self.table.has_memory(frame) {
            return Ground::Ready;
        }
        let book = self.table.frame(frame);
        if book.underway {
            Ground::Blocked
        } else if self.can_revive(frame) {
            Ground::Ready
        } else if book.page.is_some() && settled < book.left {
            Ground::Blocked
        } else {
            Ground::Bare
        }
    }
}
