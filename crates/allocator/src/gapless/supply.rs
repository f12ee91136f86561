//! Memory for frames that have none: aliases, spare pages, new pages, and pages that lie free
//! elsewhere.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Bytes, Extent};

use super::GaplessAllocator;
use super::names::{ArenaIndex, At, Frame, PageIndex};
use crate::observer::{Happening, Observer};

/// Why frames could not be given memory.
#[derive(Debug)]
pub(super) enum Refusal {
    /// So many pages are missing.
    Short(u64),
    /// Work may still use the addresses of a frame under which another page has to come.
    Busy,
    /// The device failed.
    Device(DeviceError),
}

impl From<DeviceError> for Refusal {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// Gives memory to frames of `taker`, a free block that is in no book, for a block of `part`.
    pub(super) fn fill(
        &mut self,
        taker: At,
        part: Extent,
        missing: Vec<Frame>,
    ) -> Result<(), Refusal> {
        let arena = self.blocks[taker].arena;
        let missing = self.revive_aliases(taker, missing)?;
        if missing.is_empty() {
            return Ok(());
        }
        self.check_unmappable(arena, &missing)?;
        let pages = self.gather(taker, part, missing.len())?;
        self.clear_frames(&missing)?;
        self.map_all(taker, &missing, &pages)
    }

    /// Makes aliases active again whose pages lie free; answers the frames that are left.
    fn revive_aliases(
        &mut self,
        taker: At,
        missing: Vec<Frame>,
    ) -> Result<Vec<Frame>, DeviceError> {
        let arena = self.blocks[taker].arena;
        let mut left = Vec::new();
        for frame in missing {
            // A mapping that was never used was left by a failure and may not be accessible.
            let book = self.table.frame(frame);
            let Some(index) = book.page.filter(|_| 0 < book.left) else {
                left.push(frame);
                continue;
            };
            let home = self.table.page(index).and_then(|page| page.home);
            let is_spare = match home {
                None => self.is_usable_by(index, arena)?,
                Some(home) => self.vacate(home, taker, arena)?,
            };
            if is_spare {
                self.table.reactivate(frame);
                let until = self.table.page(index).map_or(0, |page| page.last_use.1);
                let block = &mut self.blocks[taker];
                block.holes -= 1;
                // Should the block stay free after all, it is as young as the page in it.
                block.freed = block.freed.max(until);
                self.tell_frame(Action::SegmentMap, frame);
            } else {
                left.push(frame);
            }
        }
        Ok(left)
    }

    /// Whether a spare page may be used by an arena's stream now.
    fn is_usable_by(&mut self, page: PageIndex, arena: ArenaIndex) -> Result<bool, DeviceError> {
        let Some((last, until)) = self.table.page(page).map(|page| page.last_use) else {
            return Ok(false);
        };
        Ok(until == 0 || last == arena || until <= self.settle(last)?)
    }

    /// Takes the page away that is active under a frame, where it lies in a free block other than
    /// `taker` and `arena` may use it.
    fn vacate(&mut self, frame: Frame, taker: At, arena: ArenaIndex) -> Result<bool, DeviceError> {
        let extent = self.table.extent(frame);
        let Some((_, &at)) = self.free.range(..=extent.start()).next_back() else {
            return Ok(false);
        };
        let block = &self.blocks[at];
        let (freed, owner) = (block.freed, block.arena);
        if at == taker
            || !block.extent().contains(extent)
            || !self.movable.contains(&(freed, at))
            || 0 < self.table.frame(frame).pins
            || owner != arena && self.settle(owner)? < freed
        {
            return Ok(false);
        }
        self.take_free(at);
        self.leave(at, frame);
        self.put_free(at);
        Ok(true)
    }

    /// Takes the page away from a frame of a free block that is in no book.
    pub(super) fn leave(&mut self, at: At, frame: Frame) {
        let freed = self.blocks[at].freed;
        if self.table.deactivate(frame, freed).is_some() {
            self.blocks[at].holes += 1;
            self.tell_frame(Action::SegmentUnmap, frame);
        }
    }

    /// Other pages can only come under frames whose addresses no work uses any more.
    fn check_unmappable(&mut self, arena: ArenaIndex, frames: &[Frame]) -> Result<(), Refusal> {
        let table = &self.table;
        let stale = frames.iter().map(|&frame| table.frame(frame));
        let latest = stale.filter(|book| book.page.is_some()).map(|book| book.left).max();
        match latest {
            Some(left) if self.settle(arena)? < left => Err(Refusal::Busy),
            Some(_) | None => Ok(()),
        }
    }

    /// So many spare pages: within the budget new ones, beyond it those free elsewhere first.
    fn gather(&mut self, taker: At, part: Extent, count: usize) -> Result<Vec<PageIndex>, Refusal> {
        let arena = self.blocks[taker].arena;
        let mut pages = Vec::with_capacity(count);
        for index in self.table.spare.clone() {
            if pages.len() < count && self.is_usable_by(index, arena)? {
                pages.push(index);
            }
        }
        let peak = self.live_peak.max(self.live + part.size());
        let room = self.slack.budget(peak).saturating_sub(self.reserved);
        let within = usize::try_from(room.get() / self.table.page_size.get()).unwrap_or(count);
        self.create(&mut pages, count, within)?;
        if pages.len() < count {
            // Those of this arena are clear; what lies on the shelves of others is free as well.
            self.clear_all_shelves();
            self.take_longest_free(arena, &mut pages, count)?;
        }
        if pages.len() < count {
            self.take_from_rest(taker, part, &mut pages, count);
        }
        self.create(&mut pages, count, count)?;
        match count - pages.len() {
            0 => Ok(pages),
            short => Err(Refusal::Short(short as u64)),
        }
    }

    /// Takes at most `most` new pages from the device; fewer where it has no more.
    fn create(
        &mut self,
        pages: &mut Vec<PageIndex>,
        count: usize,
        most: usize,
    ) -> Result<(), DeviceError> {
        for _ in 0..most.min(count - pages.len()) {
            match self.device.create(self.table.page_size) {
                Ok(handle) => {
                    pages.push(self.table.add_page(handle));
                    self.reserved += self.table.page_size;
                    self.statistics.num_device_alloc += 1;
                    let size = self.table.page_size.get();
                    self.statistics.reserved_bytes.increase(super::SizePool::Large, size);
                }
                Err(DeviceError::OutOfMemory { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the pages that lie free longest, of those the arena may use.
    fn take_longest_free(
        &mut self,
        arena: ArenaIndex,
        pages: &mut Vec<PageIndex>,
        count: usize,
    ) -> Result<(), DeviceError> {
        let mut after = (0, At(0));
        while pages.len() < count {
            let Some(&(freed, at)) = self.movable.range(after..).next() else { break };
            after = (freed, At(at.0 + 1));
            let owner = self.blocks[at].arena;
            if owner != arena && self.settle(owner)? < freed {
                continue;
            }
            self.take_free(at);
            let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
            for frame in self.table.inside(territory, extent).rev() {
                self.take_page(at, frame, pages, count);
            }
            self.put_free(at);
        }
        Ok(())
    }

    /// Takes pages from what the block does not need for the part.
    fn take_from_rest(
        &mut self,
        taker: At,
        part: Extent,
        pages: &mut Vec<PageIndex>,
        count: usize,
    ) {
        let (territory, extent) = (self.blocks[taker].territory, self.blocks[taker].extent());
        let pool = self.arenas[self.blocks[taker].arena].pool;
        if pool.is_private() && !self.ended.contains(&pool) {
            return;
        }
        let inside: Vec<Frame> = self.table.inside(territory, extent).collect();
        for frame in inside.into_iter().rev() {
            if !self.table.extent(frame).overlaps(part) {
                self.take_page(taker, frame, pages, count);
            }
        }
    }

    fn take_page(&mut self, at: At, frame: Frame, pages: &mut Vec<PageIndex>, count: usize) {
        let book = self.table.frame(frame);
        if pages.len() < count
            && book.active
            && book.pins == 0
            && let Some(index) = book.page
        {
            self.leave(at, frame);
            pages.push(index);
        }
    }

    /// Unmaps the aliases under frames, one call for each run of neighbors.
    pub(super) fn clear_frames(&mut self, frames: &[Frame]) -> Result<(), DeviceError> {
        let table = &self.table;
        let stale: Vec<Frame> =
            frames.iter().copied().filter(|&frame| table.frame(frame).page.is_some()).collect();
        for run in stale.chunk_by(|a, b| a.territory == b.territory && a.number + 1 == b.number) {
            self.device.unmap(self.span_of(run))?;
            for &frame in run {
                self.table.unmapped(frame);
            }
        }
        Ok(())
    }

    fn span_of(&self, run: &[Frame]) -> Extent {
        let (first, last) = (run[0], run[run.len() - 1]);
        Extent::between(self.table.addr(first), self.table.extent(last).end())
    }

    /// Maps pages under frames and makes them accessible; all of them or none.
    fn map_all(&mut self, taker: At, frames: &[Frame], pages: &[PageIndex]) -> Result<(), Refusal> {
        let mut mapped = 0;
        let mut failure = None;
        for (&frame, &index) in frames.iter().zip(pages) {
            let Some(handle) = self.table.page(index).map(|page| page.handle) else { break };
            if let Err(error) = self.device.map(self.table.addr(frame), handle) {
                failure = Some(error);
                break;
            }
            self.table.mapped(frame, index);
            mapped += 1;
        }
        let neighbors =
            |a: &Frame, b: &Frame| a.territory == b.territory && a.number + 1 == b.number;
        if failure.is_none() {
            let access = frames.chunk_by(neighbors).map(|run| self.span_of(run));
            let access: Vec<Extent> = access.collect();
            failure = access.into_iter().find_map(|span| self.device.set_access(span).err());
        }
        let Some(error) = failure else {
            self.blocks[taker].holes -= u32::try_from(frames.len()).unwrap_or(u32::MAX);
            for &frame in frames {
                self.tell_frame(Action::SegmentMap, frame);
            }
            return Ok(());
        };
        for run in frames[..mapped].chunk_by(neighbors) {
            let undone = self.device.unmap(self.span_of(run)).is_ok();
            for &frame in run {
                if undone {
                    self.table.lost(frame);
                } else {
                    // The mapping stays, as an alias that nothing ever used.
                    self.table.deactivate(frame, 0);
                }
            }
        }
        Err(error.into())
    }

    pub(super) fn tell_frame(&mut self, action: Action, frame: Frame) {
        let territory = self.table.territory(frame.territory);
        let arena = &self.arenas[territory.arena];
        let (stream, pool) = (arena.stream, arena.pool);
        let (addr, size) = (self.table.addr(frame), Bytes::new(self.table.page_size.get()));
        self.observer.observe(Happening { action, addr, size, stream, pool });
    }
}
