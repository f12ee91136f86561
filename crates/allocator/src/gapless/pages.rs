//! The page table: which page of memory lies under which slots of addresses.
//!
//! A page may be mapped under several slots. At most one of these mappings is *active*: only
//! there may the bytes be used. The others are aliases, left behind when the page moved; one is
//! made active again without a call of the device.
//!
//! A page is active at its *home*, or *spare*, or *underway*: taken by a request, which will give
//! it a home or make it spare. What is underway nobody else touches, so a request may call the
//! device without keeping others from the table.

mod fingers;
mod slots;
mod pinned;

use std::cell::Cell;
use std::collections::BTreeSet;

use gapless_device::Handle;
use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

use super::names::{ArenaIndex, BlockIndex, PageIndex, ReservationIndex, Slot};
use super::page::{Page, Whereabouts};
use super::slot_set::SlotSet;
use super::time::Time;
use pinned::Pins;

/// What lies under a slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotBook {
    /// The page mapped there.
    pub(super) page: Option<PageIndex>,
    /// Whether a request is about to change what is mapped there.
    pub(super) underway: bool,
    /// How many reasons there are not to move the page.
    pub(super) pins: u32,
    /// Until when work may use these addresses with a page that moved away; never, where none did. A
    /// mapping is there all the same where undoing it failed.
    pub(super) used_until: Time,
    /// How often a mapping had to make room here for another.
    pub(super) takeovers: u32,
}

impl SlotBook {
    /// The page of a slot without memory that can be made active there again. A mapping that was never used
    /// may not be accessible.
    pub(super) fn revivable(&self) -> Option<PageIndex> {
        self.page.filter(|_| Time::NEVER < self.used_until)
    }
}

/// A reservation that blocks are cut from.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) extent: Extent,
    pub(super) arena: ArenaIndex,
    pub(super) first: BlockIndex,
    /// Up to the farthest slot that ever had memory.
    slots: Vec<SlotBook>,
    /// The block that each of them was seen in last.
    fingers: Vec<Cell<BlockIndex>>,
    /// The slots where a page's bytes are used.
    pub(super) active: SlotSet,
}

/// All reservations and all pages.
#[derive(Debug)]
pub(super) struct PageTable {
    pub(super) page_size: Bytes,
    /// The page size is two to this power.
    shift: u32,
    reservations: Vec<Reservation>,
    /// Reservations that went back to the device.
    vacant_reservations: Vec<ReservationIndex>,
    pages: Vec<Option<Page>>,
    vacant: Vec<PageIndex>,
    spare: BTreeSet<PageIndex>,
    pub(super) alias_count: usize,
    /// The block that a slot was seen in last which was not there before.
    latest: Cell<BlockIndex>,
    /// What is pinned.
    pinned: FxHashMap<Extent, Pins>,
}

impl PageTable {
    /// For pages of a size that is a power of two.
    pub(super) fn new(page_size: Bytes) -> Self {
        debug_assert!(page_size.get().is_power_of_two(), "pages of {page_size}");
        let shift = page_size.get().trailing_zeros();
        let (reservations, pages, vacant) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            page_size,
            shift,
            reservations,
            vacant_reservations: Vec::new(),
            pages,
            vacant,
            spare: BTreeSet::new(),
            alias_count: 0,
            latest: Cell::default(),
            pinned: FxHashMap::default(),
        }
    }

    /// How many pages these bytes fill, the last perhaps in part.
    pub(super) fn pages_for(&self, size: Bytes) -> u64 {
        (size + (self.page_size - Bytes::new(1))).get() >> self.shift
    }

    /// How many whole pages these bytes are.
    pub(super) fn whole_pages(&self, size: Bytes) -> u64 {
        size.get() >> self.shift
    }

    /// Whether a page ends and another begins behind so many bytes.
    pub(super) fn is_boundary(&self, offset: Bytes) -> bool {
        offset.get() & (self.page_size.get() - 1) == 0
    }

    /// How many pages a block begins that lies so far behind the start of its reservation.
    pub(super) fn begun_by(&self, offset: Bytes, size: Bytes) -> u64 {
        self.pages_for(offset + size) - self.pages_for(offset)
    }

    /// How many pages a block ends that lies so far behind the start of its reservation.
    pub(super) fn ended_by(&self, offset: Bytes, size: Bytes) -> u64 {
        self.whole_pages(offset + size) - self.whole_pages(offset)
    }

    pub(super) fn bytes_of(&self, pages: u64) -> Bytes {
        Bytes::new(pages << self.shift)
    }

    pub(super) fn add_reservation(
        &mut self,
        extent: Extent,
        arena: ArenaIndex,
        first: BlockIndex,
    ) -> ReservationIndex {
        let (slots, fingers, active) = (Vec::new(), Vec::new(), SlotSet::default());
        let reservation = Reservation { extent, arena, first, slots, fingers, active };
        let index = self.next_reservation();
        if self.vacant_reservations.pop().is_some() {
            self.reservations[index.0 as usize] = reservation;
        } else {
            self.reservations.push(reservation);
        }
        index
    }

    /// What the next reservation will be called.
    pub(super) fn next_reservation(&self) -> ReservationIndex {
        let behind = ReservationIndex(u32::try_from(self.reservations.len()).unwrap_or(u32::MAX));
        self.vacant_reservations.last().copied().unwrap_or(behind)
    }

    /// Forgets a reservation under which nothing is mapped.
    pub(super) fn remove_reservation(&mut self, index: ReservationIndex) {
        let reservation = &mut self.reservations[index.0 as usize];
        let start = reservation.extent.start();
        reservation.extent = Extent::between(start, start);
        reservation.first = BlockIndex::NONE;
        reservation.slots = Vec::new();
        reservation.fingers = Vec::new();
        reservation.active = SlotSet::default();
        self.vacant_reservations.push(index);
    }

    pub(super) fn reservation_indices(&self) -> impl Iterator<Item = ReservationIndex> + use<> {
        (0..).map(ReservationIndex).take(self.reservations.len())
    }

    pub(super) fn reservations(&self) -> impl Iterator<Item = (ReservationIndex, &Reservation)> {
        (0..).map(ReservationIndex).zip(&self.reservations)
    }

    /// The arenas that have reservations.
    pub(super) fn owners(&self) -> BTreeSet<ArenaIndex> {
        let there =
            self.reservations.iter().filter(|reservation| reservation.first.some().is_some());
        there.map(|reservation| reservation.arena).collect()
    }

    pub(super) fn reservation(&self, index: ReservationIndex) -> &Reservation {
        &self.reservations[index.0 as usize]
    }

    fn set_active(&mut self, slot: Slot, active: bool) {
        let set = &mut self.reservations[slot.reservation.0 as usize].active;
        if active { set.insert(slot.number) } else { set.remove(slot.number) }
    }

    pub(super) fn slot(&self, slot: Slot) -> SlotBook {
        let slots = &self.reservation(slot.reservation).slots;
        slots.get(slot.number as usize).copied().unwrap_or_default()
    }

    pub(super) fn slot_mut(&mut self, slot: Slot) -> &mut SlotBook {
        let reservation = &mut self.reservations[slot.reservation.0 as usize];
        let number = slot.number as usize;
        if reservation.slots.len() <= number {
            reservation.slots.resize(number + 1, SlotBook::default());
            reservation.fingers.resize(number + 1, Cell::default());
        }
        &mut reservation.slots[number]
    }

    /// Behind the farthest slot that ever had memory.
    pub(super) fn frontier(&self, reservation: ReservationIndex) -> Addr {
        let count = self.reservation(reservation).slots.len() as u64;
        self.reservation(reservation).extent.start() + self.bytes_of(count)
    }

    /// Moves the frontier of a reservation back to the last slot that memory ever lay under: a
    /// request that failed may have marked slots behind.
    pub(super) fn forget_untouched(&mut self, reservation: ReservationIndex) {
        let slots = &mut self.reservations[reservation.0 as usize].slots;
        let is_untouched = |book: &mut SlotBook| {
            book.page.is_none()
                && !book.underway
                && book.pins == 0
                && book.used_until == Time::NEVER
        };
        while slots.pop_if(is_untouched).is_some() {}
    }

    /// Takes a fresh page into the books, for the request that it was made for.
    pub(super) fn add_page(&mut self, handle: Handle) -> PageIndex {
        let page = Some(Page {
            handle,
            whereabouts: Whereabouts::Underway,
            aliases: Vec::new(),
            vanishing: 0,
            last_use: (ArenaIndex(0), Time::NEVER),
        });
        if let Some(index) = self.vacant.pop() {
            self.pages[index.0 as usize] = page;
            return index;
        }
        self.pages.push(page);
        PageIndex(u32::try_from(self.pages.len() - 1).unwrap_or(u32::MAX))
    }

    /// How many mappings there are, at most: one of each page, and the aliases.
    pub(super) fn mapping_count(&self) -> usize {
        self.pages.len() - self.vacant.len() + self.alias_count
    }

    /// Every page there is.
    pub(super) fn pages(&self) -> impl Iterator<Item = (PageIndex, &Page)> {
        let indexed = (0..).map(PageIndex).zip(&self.pages);
        indexed.filter_map(|(index, page)| Some((index, page.as_ref()?)))
    }

    pub(super) fn page(&self, index: PageIndex) -> Option<&Page> {
        self.pages.get(index.0 as usize)?.as_ref()
    }

    fn page_mut(&mut self, index: PageIndex) -> Option<&mut Page> {
        self.pages.get_mut(index.0 as usize)?.as_mut()
    }

    /// Pages that any request may take.
    pub(super) fn spare(&self) -> &BTreeSet<PageIndex> {
        &self.spare
    }

    /// Takes a spare page for a request.
    pub(super) fn take_spare(&mut self, index: PageIndex) {
        self.spare.remove(&index);
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Underway;
        }
    }

    /// Lets go of a page that a request had taken and does not use.
    pub(super) fn put_spare(&mut self, index: PageIndex) {
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Spare;
            self.spare.insert(index);
        }
    }

    /// Takes the active page of a slot for a request; its mapping stays as an alias. Work may have
    /// used its bytes there until `used_until`, or never did.
    pub(super) fn deactivate(&mut self, slot: Slot, used_until: Time) -> Option<PageIndex> {
        let arena = self.reservation(slot.reservation).arena;
        let index = self.slot(slot).page.filter(|_| self.has_memory(slot))?;
        self.set_active(slot, false);
        self.slot_mut(slot).used_until = used_until;
        self.alias_count += 1;
        let page = self.page_mut(index)?;
        page.whereabouts = Whereabouts::Underway;
        page.aliases.push(slot);
        if Time::NEVER < used_until {
            page.last_use = (arena, used_until);
        }
        Some(index)
    }

    /// Makes the mapping that a slot has of a page that was taken the active one.
    pub(super) fn reactivate(&mut self, slot: Slot) {
        let Some(index) = self.slot(slot).page else { return };
        self.set_active(slot, true);
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != slot);
            page.whereabouts = Whereabouts::Home(slot);
        }
    }

    /// Notes that a page that was taken is mapped under a slot that had none, and active there.
    pub(super) fn mapped(&mut self, slot: Slot, index: PageIndex) {
        self.slot_mut(slot).page = Some(index);
        self.set_active(slot, true);
        if let Some(page) = self.page_mut(index) {
            page.whereabouts = Whereabouts::Home(slot);
        }
    }

    /// Notes that a page that was taken got an alias, which may not be accessible: an attempt to
    /// map it failed, and so did undoing that.
    pub(super) fn stuck(&mut self, slot: Slot, index: PageIndex) {
        let book = self.slot_mut(slot);
        book.page = Some(index);
        book.used_until = Time::NEVER;
        self.alias_count += 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.push(slot);
        }
    }

    /// Takes the alias under a slot out of the books, to unmap it. The page stays known until
    /// [`PageTable::end_to_unmap`].
    pub(super) fn begin_to_unmap(&mut self, slot: Slot) -> Option<PageIndex> {
        let index = self.slot_mut(slot).page.take()?;
        self.alias_count -= 1;
        if let Some(page) = self.page_mut(index) {
            page.aliases.retain(|&alias| alias != slot);
            page.vanishing += 1;
        }
        Some(index)
    }

    /// Notes that an alias of a page is gone.
    fn unmapped(&mut self, index: PageIndex) {
        if let Some(page) = self.page_mut(index) {
            page.vanishing -= 1;
        }
    }

    /// Notes that the alias under a slot could not be unmapped.
    fn kept(&mut self, slot: Slot, index: PageIndex) {
        self.slot_mut(slot).page = Some(index);
        self.alias_count += 1;
        if let Some(page) = self.page_mut(index) {
            page.vanishing -= 1;
            page.aliases.push(slot);
        }
    }

    /// Notes for each run of aliases whether it is gone; those that are not stay.
    pub(super) fn end_to_unmap<'a>(
        &mut self,
        runs: impl IntoIterator<Item = (&'a [(Slot, PageIndex)], bool)>,
    ) {
        for (run, is_gone) in runs {
            for &(slot, index) in run {
                if is_gone {
                    self.unmapped(index);
                } else {
                    self.kept(slot, index);
                }
            }
        }
    }

    /// Forgets a page that was taken and is mapped nowhere.
    pub(super) fn remove_page(&mut self, index: PageIndex) {
        self.pages[index.0 as usize] = None;
        self.vacant.push(index);
    }
}
