//! Where a block goes: best fit by addresses, at the end of the gap that touches fewer pages.

use gapless_device::{Device, DeviceError};
use gapless_units::{Addr, Bytes, Extent};

use super::GaplessAllocator;
use super::names::{ArenaIndex, At, Frame};
use super::supply::Refusal;
use crate::observer::Observer;

/// A territory is at least this many times the device.
const TERRITORY_PER_DEVICE: u64 = 2;

/// And at most this large, unless one request is larger.
const LARGEST_TERRITORY: Bytes = Bytes::gib(512);

/// How many gaps are looked at for the one that lacks the fewest pages when pages are short.
const LOOKED_AT: usize = 64;

/// A part of a free block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: At,
    part: Extent,
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// A block of exactly this size, in no book, cut from where it fits best.
    pub(super) fn take_best(&mut self, arena: ArenaIndex, size: Bytes) -> Result<At, Refusal> {
        let best = match self.best_place(arena, size) {
            Some(place) => place,
            None => self.new_territory(arena, size)?,
        };
        let mut answer = self.carve(best);
        if let Err(Refusal::Busy) = answer {
            let fresh = self.fresh_place(arena, size)?;
            answer = self.carve(fresh);
        }
        match answer {
            Err(Refusal::Short(short)) => self.take_cheapest(arena, size, short),
            done => done,
        }
    }

    /// The smallest gap; of equal ones the one that needs no memory.
    fn best_place(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let book = &self.arenas[arena];
        let (ready, holey) = (book.best_ready(size), book.best_holey(size));
        let at = match (ready, holey) {
            (Some((ready, at)), Some((holey, _))) if ready <= holey => at,
            (_, Some((_, at))) | (Some((_, at)), None) => at,
            (None, None) => return None,
        };
        Some(self.place_in(at, size))
    }

    /// When pages are short: a gap that needs none, or else the one that lacks the fewest.
    fn take_cheapest(&mut self, arena: ArenaIndex, size: Bytes, short: u64) -> Result<At, Refusal> {
        let book = &self.arenas[arena];
        if let Some((_, at)) = book.best_ready(size) {
            return self.carve(self.place_in(at, size));
        }
        let lacking = |at: At| {
            let place = self.place_in(at, size);
            (self.missing(place).len(), place)
        };
        let gaps = book.all_holey(size).take(LOOKED_AT).map(lacking);
        let Some((_, cheapest)) = gaps.min_by_key(|&(missing, _)| missing) else {
            return Err(Refusal::Short(short));
        };
        match self.carve(cheapest) {
            Err(Refusal::Short(still)) => Err(Refusal::Short(still.min(short))),
            Err(Refusal::Busy) => Err(Refusal::Short(short)),
            done => done,
        }
    }

    /// At which end of a gap: where fewer pages are touched that nothing alive touches yet.
    fn place_in(&self, at: At, size: Bytes) -> Place {
        let block = &self.blocks[at];
        let (start, end) = (block.addr, block.end());
        let left = Extent::between(start, start + size);
        let right = Extent::between(start + (block.size - size), end);
        let territory = self.table.territory(block.territory).extent;
        let origin = territory.start();
        let page = self.table.page_size.get();
        let splits_page = |addr: Addr| !(addr - origin).get().is_multiple_of(page);
        let spans = |part: Extent| {
            let first = (part.start() - origin).get() / page;
            (part.end() - origin).get().div_ceil(page) - first
        };
        let news_left = spans(left) - u64::from(splits_page(start));
        let news_right = spans(right) - u64::from(splits_page(end));
        let is_last = end == territory.end();
        let part = if news_right < news_left && !is_last { right } else { left };
        Place { at, part }
    }

    /// Addresses that nothing was ever mapped under.
    fn fresh_place(&mut self, arena: ArenaIndex, size: Bytes) -> Result<Place, DeviceError> {
        for index in (0..self.table.next_territory().0).map(super::names::TerritoryIndex) {
            let territory = self.table.territory(index);
            if territory.arena != arena {
                continue;
            }
            let end = territory.extent.end();
            let Some((_, &at)) = self.free.range(..end).next_back() else { continue };
            let block = &self.blocks[at];
            let start = block.addr.max(self.table.frontier(index));
            if block.territory == index && block.end() == end && start <= end && size <= end - start
            {
                return Ok(Place { at, part: Extent::between(start, start + size) });
            }
        }
        self.new_territory(arena, size)
    }

    /// Reserves more addresses for an arena.
    fn new_territory(&mut self, arena: ArenaIndex, size: Bytes) -> Result<Place, DeviceError> {
        let page = self.table.page_size;
        let total = self.device.memory().total;
        let usual = Bytes::new(total.get().saturating_mul(TERRITORY_PER_DEVICE));
        let wanted = usual.min(LARGEST_TERRITORY).max(size).round_up(page);
        let extent = match self.device.reserve(wanted) {
            Err(DeviceError::OutOfAddresses { .. }) => self.device.reserve(size.round_up(page))?,
            answer => answer?,
        };
        let frames = u32::try_from(extent.size().get() / page.get()).unwrap_or(u32::MAX);
        let index = self.table.next_territory();
        let at = self.blocks.span(extent, arena, index, frames);
        self.table.add_territory(extent, arena, at);
        self.put_free(at);
        Ok(self.place_in(at, size))
    }

    /// The frames of a place that have no memory.
    fn missing(&self, place: Place) -> Vec<Frame> {
        let block = &self.blocks[place.at];
        if block.holes == 0 {
            return Vec::new();
        }
        let frames = self.table.touched(block.territory, place.part);
        frames.filter(|&frame| !self.table.frame(frame).active).collect()
    }

    /// Cuts a place out of its free block, with memory under all of it.
    fn carve(&mut self, place: Place) -> Result<At, Refusal> {
        let Place { at, part } = place;
        let missing = self.missing(place);
        self.take_free(at);
        if !missing.is_empty()
            && let Err(refusal) = self.fill(at, part, missing)
        {
            self.put_free(at);
            return Err(refusal);
        }
        Ok(self.cut_out(at, part))
    }

    /// Cuts a part with memory out of a free block that is in no book; the rest goes back.
    fn cut_out(&mut self, at: At, part: Extent) -> At {
        let before = part.start() - self.blocks[at].addr;
        let holes = self.blocks[at].holes;
        let taken = if before.is_zero() { at } else { self.blocks.cut(at, before) };
        let rest =
            (part.size() < self.blocks[taken].size).then(|| self.blocks.cut(taken, part.size()));
        self.blocks[taken].holes = 0;
        let left = (taken != at).then_some(at);
        // Frames without memory lie wholly in what is left and right of the part.
        let left_holes = match (left, rest) {
            (Some(left), Some(_)) if 0 < holes => self.count_holes(left),
            (Some(_), None) => holes,
            _ => 0,
        };
        for (at, holes) in [(left, left_holes), (rest, holes - left_holes)] {
            if let Some(at) = at {
                self.blocks[at].holes = holes;
                self.put_free(at);
            }
        }
        taken
    }

    fn count_holes(&self, at: At) -> u32 {
        let block = &self.blocks[at];
        let frames = self.table.inside(block.territory, block.extent());
        let holes = frames.filter(|&frame| !self.table.frame(frame).active).count();
        u32::try_from(holes).unwrap_or(u32::MAX)
    }
}
