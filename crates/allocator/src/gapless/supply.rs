//! Memory for slots that have none: aliases, spare pages, new pages, and pages that lie free
//! elsewhere.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;

use super::books::Books;
use super::hold::Hold;
use super::mappings::make_room;
use super::names::{ArenaIndex, BlockIndex, PageIndex, Slot, are_neighbors};
use super::page::Whereabouts;
use super::remap::{Carried, Remap};
use super::time::Time;
use super::waits::Progress;
use crate::observer::Observer;

/// Why slots could not be given memory.
#[derive(Debug)]
pub(super) enum Refusal {
    /// So many pages are missing.
    Short(u64),
    /// Work may still use the addresses of a slot under which another page has to come.
    Busy,
    /// Another request is about to change what lies under a slot.
    Underway,
    /// The device failed.
    Device(DeviceError),
}

impl From<DeviceError> for Refusal {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// Gives memory to the slots that a block lacks, which was cut out for a request.
pub(super) fn supply<H: Hold>(
    hold: &mut H,
    taker: BlockIndex,
    mut lacking: Vec<Slot>,
) -> Result<(), Refusal> {
    let (books, device) = hold.parts();
    books.revive_aliases(device, taker, &mut lacking)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let table = &mut hold.books().table;
    for &slot in &lacking {
        table.slot_mut(slot).underway = true;
        table.point(slot, taker);
    }
    let answer = map_pages(hold, taker, &lacking);
    let table = &mut hold.books().table;
    for &slot in &lacking {
        table.slot_mut(slot).underway = false;
    }
    if answer.is_err() {
        table.forget_untouched(lacking[0].reservation);
    }
    answer
}

/// Maps pages under slots of a block that are marked: nobody else touches them meanwhile.
fn map_pages<H: Hold>(hold: &mut H, taker: BlockIndex, slots: &[Slot]) -> Result<(), Refusal> {
    let arena = hold.books().blocks[taker].arena;
    let (books, device) = hold.parts();
    books.check_unmappable(device, arena, slots)?;
    make_room(hold, slots.len())?;
    let mut pages = Vec::with_capacity(slots.len());
    let gathered = gather(hold, arena, &mut pages, slots.len());
    if !matches!(gathered, Ok(0)) {
        for page in pages {
            hold.books().table.put_spare(page);
        }
        return Err(Refusal::Short(gathered?));
    }
    let booked = hold.books().begin_remap(slots, &pages);
    let carried = hold.outside(|device| booked.remap.carry_out(device));
    hold.books().end_remap(&booked, slots, &pages, carried)?;
    hold.books().note_map(taker);
    Ok(())
}

/// Takes pages for an arena: spare ones, within the budget new ones, beyond it those free
/// elsewhere first. Says how many are missing that the device does not have.
fn gather<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    pages: &mut Vec<PageIndex>,
    count: usize,
) -> Result<u64, DeviceError> {
    let (books, device) = hold.parts();
    let mut progress = Progress::default();
    for index in books.table.spare().clone() {
        if pages.len() < count && books.is_usable_by(device, &mut progress, index, arena)? {
            books.table.take_spare(index);
            pages.push(index);
        }
    }
    let within = usize::try_from(books.table.whole_pages(books.room())).unwrap_or(count);
    create(hold, pages, within.min(count - pages.len()))?;
    if pages.len() < count {
        // What lies in fronts is free as well.
        hold.clear_fronts();
        let (books, device) = hold.parts();
        books.take_from_sparsest(device, Some(arena), pages, count)?;
    }
    let missing = (count - pages.len()) as u64;
    let (books, device) = hold.parts();
    let left = if 0 < missing { books.table.whole_pages(device.memory().free) } else { 0 };
    if left < missing {
        // Who fails all the same takes nothing from others meanwhile.
        return Ok(missing - left);
    }
    create(hold, pages, count - pages.len())?;
    Ok((count - pages.len()) as u64)
}

/// Takes so many new pages from the device; fewer where it has no more.
fn create<H: Hold>(
    hold: &mut H,
    pages: &mut Vec<PageIndex>,
    count: usize,
) -> Result<(), DeviceError> {
    if count == 0 {
        return Ok(());
    }
    let page_size = hold.books().table.page_size;
    let (handles, answer) = hold.outside(|device| {
        let mut handles = Vec::with_capacity(count);
        for _ in 0..count {
            match device.create(page_size) {
                Ok(handle) => handles.push(handle),
                Err(DeviceError::OutOfMemory { .. }) => break,
                Err(error) => return (handles, Err(error)),
            }
        }
        (handles, Ok(()))
    });
    let books = hold.books();
    books.count_created(handles.len() as u64);
    pages.extend(handles.into_iter().map(|handle| books.table.add_page(handle)));
    answer
}

/// A remap that the books know of, with the aliases that it takes out of them.
struct BookedRemap {
    remap: Remap,
    /// The slots of each stale run, with the pages whose aliases they had.
    stale: Vec<Vec<(Slot, PageIndex)>>,
}

impl<O: Observer> Books<O> {
    /// Makes aliases active again whose pages lie free, and takes these slots off the list.
    fn revive_aliases(
        &mut self,
        device: &mut impl Device,
        taker: BlockIndex,
        lacking: &mut Vec<Slot>,
    ) -> Result<(), DeviceError> {
        let arena = self.blocks[taker].arena;
        let (mut progress, mut failure) = (Progress::default(), None);
        lacking.retain(|&slot| {
            if failure.is_some() {
                return true;
            }
            let is_taken = self.take_page_of_alias(device, &mut progress, slot, arena);
            match is_taken {
                Ok(true) => {
                    self.revive(taker, slot);
                    false
                }
                Ok(false) => true,
                Err(error) => {
                    failure = Some(error);
                    true
                }
            }
        });
        failure.map_or(Ok(()), Err)
    }

    /// Takes the page that is mapped under a slot without memory, where it lies free.
    fn take_page_of_alias(
        &mut self,
        device: &mut impl Device,
        progress: &mut Progress,
        slot: Slot,
        arena: ArenaIndex,
    ) -> Result<bool, DeviceError> {
        let Some(index) = self.table.slot(slot).revivable() else { return Ok(false) };
        match self.table.page(index).map(|page| page.whereabouts) {
            Some(Whereabouts::Home(home)) => self.vacate(device, progress, home, arena),
            Some(Whereabouts::Spare) if self.is_usable_by(device, progress, index, arena)? => {
                self.table.take_spare(index);
                Ok(true)
            }
            Some(Whereabouts::Spare | Whereabouts::Underway) | None => Ok(false),
        }
    }

    /// Whether the page that is mapped under a slot without memory lies free, as far as can be
    /// told without asking the device.
    pub(super) fn can_revive(&self, slot: Slot) -> bool {
        let Some(index) = self.table.slot(slot).revivable() else { return false };
        match self.table.page(index).map(|page| page.whereabouts) {
            Some(Whereabouts::Home(home)) => self.idle_holder(home).is_some(),
            Some(Whereabouts::Spare) => true,
            Some(Whereabouts::Underway) | None => false,
        }
    }

    /// The free block that the page of a slot can be taken from.
    fn idle_holder(&self, slot: Slot) -> Option<BlockIndex> {
        let at = self.idle_around(slot)?;
        (self.table.slot(slot).pins == 0).then_some(at)
    }

    fn revive(&mut self, taker: BlockIndex, slot: Slot) {
        self.table.reactivate(slot);
        self.table.point(slot, taker);
        let page = self.table.slot(slot).page.and_then(|index| self.table.page(index));
        let until = page.map_or(Time::NEVER, |page| page.last_use.1);
        // Should the block stay free after all, it is as young as the page in it.
        let block = &mut self.blocks[taker];
        block.freed = block.freed.max(until);
        self.tell_slot(Action::SegmentMap, slot);
    }

    /// Whether a spare page may be used by an arena's stream now.
    fn is_usable_by(
        &mut self,
        device: &mut impl Device,
        progress: &mut Progress,
        page: PageIndex,
        arena: ArenaIndex,
    ) -> Result<bool, DeviceError> {
        let Some((last, until)) = self.table.page(page).map(|page| page.last_use) else {
            return Ok(false);
        };
        Ok(until == Time::NEVER || last == arena || until <= progress.of(last, self, device)?)
    }

    /// Takes the page that is active under a slot, where it lies in a free block and the arena
    /// may use it.
    fn vacate(
        &mut self,
        device: &mut impl Device,
        progress: &mut Progress,
        slot: Slot,
        arena: ArenaIndex,
    ) -> Result<bool, DeviceError> {
        let Some(at) = self.idle_holder(slot) else { return Ok(false) };
        let (freed, owner) = (self.blocks[at].freed, self.blocks[at].arena);
        if owner != arena && progress.of(owner, self, device)? < freed {
            return Ok(false);
        }
        self.leave(at, slot);
        Ok(true)
    }

    /// Takes the page of a slot of a free block.
    pub(super) fn leave(&mut self, at: BlockIndex, slot: Slot) -> Option<PageIndex> {
        let index = self.table.deactivate(slot, self.blocks[at].freed)?;
        self.blocks[at].bare += 1;
        self.tell_slot(Action::SegmentUnmap, slot);
        Some(index)
    }

    /// Other pages can only come under slots whose addresses no work uses any more.
    pub(super) fn check_unmappable(
        &mut self,
        device: &mut impl Device,
        arena: ArenaIndex,
        slots: &[Slot],
    ) -> Result<(), Refusal> {
        let table = &self.table;
        let stale = slots.iter().map(|&slot| table.slot(slot));
        let latest = stale.filter(|book| book.page.is_some()).map(|book| book.used_until).max();
        match latest {
            Some(until) if self.settle(device, arena)? < until => Err(Refusal::Busy),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes pages that an arena may use, from the free blocks that lack most of theirs; `None` is no
    /// arena, for which all work on them has to be done.
    pub(super) fn take_from_sparsest(
        &mut self,
        device: &mut impl Device,
        arena: Option<ArenaIndex>,
        pages: &mut Vec<PageIndex>,
        count: usize,
    ) -> Result<(), DeviceError> {
        let mut progress = Progress::default();
        for at in self.idle_by_density() {
            if pages.len() == count {
                break;
            }
            let (freed, owner) = (self.blocks[at].freed, self.blocks[at].arena);
            if Some(owner) != arena && progress.of(owner, self, device)? < freed {
                continue;
            }
            for slot in self.movable_inside(at, count - pages.len()) {
                pages.extend(self.leave(at, slot));
            }
        }
        Ok(())
    }

    /// The last slots that lie wholly in a free block and whose pages may move, so many at most.
    pub(super) fn movable_inside(&self, at: BlockIndex, count: usize) -> Vec<Slot> {
        let block = &self.blocks[at];
        let slots = self.table.active_inside(block.reservation, block.extent());
        let slots = slots.take(self.active_pages(at) as usize);
        slots.filter(|&slot| self.table.slot(slot).pins == 0).take(count).collect()
    }

    /// Decides the calls that bring pages under slots, and marks what they are about.
    fn begin_remap(&mut self, slots: &[Slot], pages: &[PageIndex]) -> BookedRemap {
        let mut remap = Remap { page_size: self.table.page_size, ..Remap::default() };
        let stale: Vec<Slot> =
            slots.iter().copied().filter(|&at| self.table.slot(at).page.is_some()).collect();
        let mut stale_runs = Vec::new();
        for &slot in &stale {
            self.table.slot_mut(slot).takeovers += 1;
        }
        for run in stale.chunk_by(are_neighbors) {
            remap.stale.push(self.table.span_of(run));
            let aliases = run.iter();
            let aliases =
                aliases.filter_map(|&slot| Some((slot, self.table.begin_to_unmap(slot)?)));
            stale_runs.push(aliases.collect());
        }
        for (&slot, &index) in slots.iter().zip(pages) {
            if let Some(page) = self.table.page(index) {
                remap.mappings.push((self.table.addr(slot), page.handle));
            }
        }
        remap.spans = slots.chunk_by(are_neighbors).map(|run| self.table.span_of(run)).collect();
        BookedRemap { remap, stale: stale_runs }
    }

    /// Enters into the books how far a remap came.
    fn end_remap(
        &mut self,
        booked: &BookedRemap,
        slots: &[Slot],
        pages: &[PageIndex],
        carried: Carried,
    ) -> Result<(), Refusal> {
        let stale = booked.stale.iter().map(Vec::as_slice);
        self.table.end_to_unmap(stale.zip((0..).map(|place| place < carried.unmapped)));
        let Some(error) = carried.failure else {
            for (&slot, &index) in slots.iter().zip(pages) {
                self.table.mapped(slot, index);
                self.tell_slot(Action::SegmentMap, slot);
            }
            return Ok(());
        };
        for (place, (&slot, &index)) in slots.iter().zip(pages).enumerate() {
            let extent = self.table.extent(slot);
            if place < carried.mapped && carried.stuck.iter().any(|run| run.contains(extent)) {
                self.table.stuck(slot, index);
            }
            self.table.put_spare(index);
        }
        Err(error.into())
    }
}
