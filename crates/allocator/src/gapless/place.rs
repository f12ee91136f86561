//! Where a block goes: best fit by addresses, at the end of the gap that touches fewer pages.

use gapless_device::{Device, DeviceError};
use gapless_units::{Addr, Bytes, Extent};

use super::addresses::release_deserted;
use super::books::Books;
use super::hold::Hold;
use super::names::{ArenaIndex, BlockIndex, ReservationIndex, Slot};
use super::supply::{Refusal, supply};
use crate::observer::Observer;

/// A reservation is this many times the device, so that the largest request finds room beside what else lives;
/// less where that is more than [`LARGEST_RESERVATION`], or where addresses are short.
const RESERVATION_PER_DEVICE: u64 = 2;

/// The largest reservation, unless one request is larger: a process has addresses for 256 of these.
const LARGEST_RESERVATION: Bytes = Bytes::gib(512);

/// Which part of a page may stay free beside a block of whole pages, for it to begin at a page.
/// More would be lost where such blocks stay and nothing small comes.
const BESIDE: u64 = 4;

/// A part of a free block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: BlockIndex,
    part: Extent,
}

impl Place {
    /// A part of the free block `at`.
    pub(super) fn new(at: BlockIndex, part: Extent) -> Self {
        Self { at, part }
    }

    /// The free block.
    pub(super) fn at(self) -> BlockIndex {
        self.at
    }

    pub(super) fn start(self) -> Addr {
        self.part.start()
    }

    pub(super) fn size(self) -> Bytes {
        self.part.size()
    }
}

/// A block of exactly this size, for a request to have, cut from where it fits best.
pub(super) fn take_best<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
    tightest: Option<Place>,
) -> Result<BlockIndex, Refusal> {
    let books = hold.books();
    let best = match tightest {
        Some(place) if books.is_within_budget(place) => place,
        Some(place) => books.lasting_place(place),
        None => new_reservation(hold, arena, size)?,
    };
    let (books, device) = hold.parts();
    if books.arenas[arena].checkpoint.is_some() {
        // Its stream was behind when it was asked about last: nothing is to be moved there in vain.
        let missing: Vec<Slot> = books.missing(best).collect();
        match books.check_unmappable(device, arena, &missing) {
            Err(Refusal::Busy) => return take_elsewhere(hold, arena, size),
            answer => answer?,
        }
    }
    match carve(hold, best) {
        Err(Refusal::Busy) => take_elsewhere(hold, arena, size),
        // The device has less than the budget.
        Err(Refusal::Short(short)) => take_cheapest(hold, arena, size, short),
        done => done,
    }
}

/// How a place is found.
type Way<H> = fn(&Books<<H as Hold>::Observer>, ArenaIndex, Bytes) -> Option<Place>;

/// A block where no slot is in the way. Where the arena has no such addresses, the request has to
/// wait: to reserve more each time would never end.
pub(super) fn take_elsewhere<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
) -> Result<BlockIndex, Refusal> {
    for way in [Books::detour, Books::fresh_place, Books::ready_place] as [Way<H>; 3] {
        let Some(place) = way(hold.books(), arena, size) else { continue };
        match carve(hold, place) {
            // A page may not come back that was expected to: its stream is behind as well.
            Err(Refusal::Busy) => {}
            Err(Refusal::Short(short)) => return take_cheapest(hold, arena, size, short),
            done => return done,
        }
    }
    if !hold.books().is_capturing() {
        return Err(Refusal::Busy);
    }
    // Nothing is waited for while a graph is captured, and that ends.
    let place = new_reservation(hold, arena, size)?;
    match carve(hold, place) {
        Err(Refusal::Short(short)) => take_cheapest(hold, arena, size, short),
        done => done,
    }
}

/// A block where the fewest pages are missing, for want of more than `short` of them elsewhere.
fn take_cheapest<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
    short: u64,
) -> Result<BlockIndex, Refusal> {
    let books = hold.books();
    let Some(tightest) = books.best_place(arena, size) else {
        return Err(Refusal::Short(short));
    };
    let cheapest = books.cheapest_place(tightest);
    match carve(hold, cheapest) {
        Err(Refusal::Short(still)) => Err(Refusal::Short(still.min(short))),
        done => done,
    }
}

/// Cuts a place out of its free block, with memory under all of it.
pub(super) fn carve<H: Hold>(hold: &mut H, place: Place) -> Result<BlockIndex, Refusal> {
    let books = hold.books();
    let lacking: Vec<Slot> = books.lacking(place).collect();
    if lacking.iter().any(|&slot| books.table.slot(slot).underway) {
        return Err(Refusal::Underway);
    }
    let count = u32::try_from(lacking.len()).unwrap_or(u32::MAX);
    let taken = books.cut_out(place.at, place.part, count);
    if count == 0 {
        return Ok(taken);
    }
    let answer = supply(hold, taken, lacking);
    let books = hold.books();
    if let Err(refusal) = answer {
        books.put_back(taken);
        return Err(refusal);
    }
    let arena = books.blocks[taken].arena;
    if books.table.page_size <= place.part.size() {
        books.arenas[arena].known.note(place.part);
    }
    Ok(taken)
}

/// Reserves more addresses for an arena.
fn new_reservation<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
) -> Result<Place, DeviceError> {
    let page = hold.books().table.page_size;
    let (wanted, answer) = hold.outside(|device| {
        let usual = device.memory().total.get().saturating_mul(RESERVATION_PER_DEVICE);
        let wanted = Bytes::new(usual).min(LARGEST_RESERVATION).max(size).round_up(page);
        (wanted, device.reserve(wanted))
    });
    let extent = match answer {
        Err(DeviceError::OutOfAddresses { .. }) => {
            release_deserted(hold)?;
            hold.outside(|device| match device.reserve(wanted) {
                Err(DeviceError::OutOfAddresses { .. }) => device.reserve(size.round_up(page)),
                answer => answer,
            })?
        }
        answer => answer?,
    };
    let books = hold.books();
    let slots = u32::try_from(books.table.whole_pages(extent.size())).unwrap_or(u32::MAX);
    let at = books.blocks.span(extent, arena, books.table.next_reservation(), slots);
    books.table.add_reservation(extent, arena, at);
    books.put_free(at);
    Ok(books.place_in(at, size))
}

impl<O: Observer> Books<O> {
    /// The block at a place that has memory.
    #[inline]
    pub(super) fn cut_ready(&mut self, place: Place) -> Option<BlockIndex> {
        self.is_ready(place).then(|| self.cut_out(place.at, place.part, 0))
    }

    /// The smallest gap; of equal ones one that needs no memory.
    pub(super) fn best_place(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let at = self.arenas[arena].free.best(&self.blocks, size)?;
        Some(self.place_in(at, size))
    }

    /// In the smallest gap that needs no memory.
    pub(super) fn ready_place(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let at = self.arenas[arena].free.smallest_ready(&self.blocks, size)?;
        Some(self.place_in(at, size))
    }

    /// Whether the pages that a place lacks, one at least, may be taken from the device.
    fn is_within_budget(&self, place: Place) -> bool {
        let room = self.room();
        !room.is_zero() && self.table.bytes_of(self.lacking(place).count() as u64) <= room
    }

    /// Where in a gap: at the end where fewer pages are touched that nothing alive touches yet. A
    /// block of whole pages takes a place that begins at a page, where little room stays beside it:
    /// elsewhere it would share a page at either end, and keep both from moving when its neighbors
    /// are gone.
    #[inline]
    pub(super) fn place_in(&self, at: BlockIndex, size: Bytes) -> Place {
        let block = &self.blocks[at];
        if block.size == size {
            return Place { at, part: block.extent() };
        }
        let reservation = self.table.reservation(block.reservation).extent;
        let first = block.addr - reservation.start();
        let last = first + (block.size - size);
        // Behind the last gap of a reservation are the addresses for what comes.
        let is_inner = block.end() != reservation.end();
        let offset = if self.table.is_boundary(size) {
            self.whole_pages_between(first, last, is_inner)
        } else if is_inner && self.table.ended_by(last, size) < self.table.begun_by(first, size) {
            last
        } else {
            first
        };
        let start = reservation.start() + offset;
        Place { at, part: Extent::between(start, start + size) }
    }

    /// Where a block of whole pages begins, from the first place to the last.
    fn whole_pages_between(&self, first: Bytes, last: Bytes, is_inner: bool) -> Bytes {
        let table = &self.table;
        let beside = Bytes::new(table.page_size.get() / BESIDE);
        let above = table.bytes_of(table.pages_for(first));
        if above <= last && above - first <= beside {
            return above;
        }
        let below = table.bytes_of(table.whole_pages(last));
        if is_inner && first <= below && last - below <= beside {
            return below;
        }
        first
    }

    /// Addresses that nothing was ever mapped under.
    pub(super) fn fresh_place(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let mut own = self.table.reservations().filter(|(_, book)| book.arena == arena);
        own.find_map(|(index, _)| self.fresh_place_in(index, size))
    }

    fn fresh_place_in(&self, index: ReservationIndex, size: Bytes) -> Option<Place> {
        let reservation = self.table.reservation(index);
        let end = reservation.extent.end();
        let free = &self.arenas[reservation.arena].free;
        // Nothing else is as large as what lies behind the frontier.
        let behind = end - self.table.frontier(index);
        let at = free
            .all(&self.blocks, size.max(behind))
            .find(|&at| self.blocks[at].reservation == index && self.blocks[at].end() == end)?;
        self.place_behind(at, self.table.frontier(index), size)
    }

    /// The first place in a free block that begins at an address or behind it.
    pub(super) fn place_behind(&self, at: BlockIndex, addr: Addr, size: Bytes) -> Option<Place> {
        let block = &self.blocks[at];
        let start = block.addr.max(addr);
        let fits = start <= block.end() && size <= block.end() - start;
        fits.then(|| Place { at, part: Extent::between(start, start + size) })
    }

    /// How many slots a place shares a byte with.
    pub(super) fn touched(&self, place: Place) -> u64 {
        self.table.touched(self.blocks[place.at].reservation, place.part).count() as u64
    }

    /// The slots of a place that have no memory.
    pub(super) fn lacking(&self, place: Place) -> impl Iterator<Item = Slot> {
        let slots = self.table.inactive(self.blocks[place.at].reservation, place.part);
        slots.take(if self.is_backed(place.at) { 0 } else { usize::MAX })
    }

    /// Whether all slots of a place have memory.
    #[inline]
    fn is_ready(&self, place: Place) -> bool {
        let reservation = self.blocks[place.at].reservation;
        self.is_backed(place.at) || self.table.is_active(reservation, place.part)
    }

    /// Whether all slots that a free block touches have memory.
    #[inline]
    fn is_backed(&self, at: BlockIndex) -> bool {
        // Beside a block that is being served a slot may lack memory that both touch.
        self.blocks[at].bare == 0 && self.serving == 0
    }
}
