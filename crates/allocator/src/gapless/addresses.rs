//! Addresses that go back to the device.
//!
//! Addresses are plenty, not endless: a reservation is larger than the device, and each stream of each
//! private pool has its own. So one in which nothing lives goes back when memory is given back, and
//! when the device has no more addresses.

use gapless_device::{Device, DeviceError};
use gapless_units::Extent;

use super::block::State;
use super::books::Books;
use super::endings::remove_empty_arenas;
use super::hold::Hold;
use super::names::{ArenaIndex, BlockIndex, ReservationIndex, Slot};
use super::time::Time;
use super::unmap::unmap;
use super::waits::stall_for_arena;
use crate::observer::Observer;

/// Gives back every reservation under which nothing is mapped.
pub(super) fn release_bare<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    for index in hold.books().table.reservation_indices() {
        if hold.books().is_deserted(index) && hold.books().mapped_in(index).is_empty() {
            release(hold, index)?;
        }
    }
    remove_empty_arenas(hold)
}

/// Gives back every reservation in which nothing lives and that no work uses any more; where there is
/// none, it waits for one that work still uses. Pages that were last used there lose their address.
pub(super) fn release_deserted<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    let Deserted { released, used_by } = release_unused(hold)?;
    match used_by {
        Some(arena) if released == 0 && !hold.books().is_capturing() => {
            stall_for_arena(hold, arena)?;
            release_unused(hold).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// What became of the reservations in which nothing lives.
#[derive(Default)]
struct Deserted {
    /// How many went back.
    released: usize,
    /// An arena whose work still uses one.
    used_by: Option<ArenaIndex>,
}

fn release_unused<H: Hold>(hold: &mut H) -> Result<Deserted, DeviceError> {
    let mut deserted = Deserted::default();
    for index in hold.books().table.reservation_indices() {
        if !hold.books().is_deserted(index) {
            continue;
        }
        let (books, device) = hold.parts();
        let arena = books.table.reservation(index).arena;
        if books.last_use_of(index) <= books.settle(device, arena)? {
            release(hold, index)?;
            deserted.released += 1;
        } else {
            deserted.used_by = Some(arena);
        }
    }
    remove_empty_arenas(hold)?;
    Ok(deserted)
}

/// Gives back a deserted reservation; where that fails, it is as before but for its pages.
fn release<H: Hold>(hold: &mut H, index: ReservationIndex) -> Result<(), DeviceError> {
    let books = hold.books();
    let (at, extent) =
        (books.table.reservation(index).first, books.table.reservation(index).extent);
    books.take_out(at);
    let mapped = books.mapped_in(index);
    let answer = unmap(hold, &mapped, |device| device.unreserve(extent));
    let books = hold.books();
    match answer {
        Ok(()) => books.forget(index, at, extent),
        Err(_) => books.put_back(at),
    }
    answer
}

impl<O: Observer> Books<O> {
    /// Whether nothing lives in a reservation, is about to, or has to stay.
    fn is_deserted(&self, index: ReservationIndex) -> bool {
        let reservation = self.table.reservation(index);
        let Some(first) = reservation.first.some() else { return false };
        let block = &self.blocks[first];
        let is_free = block.state == State::Free && block.extent() == reservation.extent;
        is_free
            && self.may_move(reservation.arena)
            && self.table.slots(index).all(|slot| {
                let book = self.table.slot(slot);
                book.pins == 0 && !book.underway
            })
    }

    /// The slots of a reservation under which something is mapped.
    fn mapped_in(&self, index: ReservationIndex) -> Vec<Slot> {
        let slots = self.table.slots(index);
        slots.filter(|&slot| self.table.slot(slot).page.is_some()).collect()
    }

    /// When the last block of a deserted reservation was freed.
    fn last_use_of(&self, index: ReservationIndex) -> Time {
        let until = self.table.slots(index).map(|slot| self.table.slot(slot).used_until).max();
        let freed = self.blocks[self.table.reservation(index).first].freed;
        until.map_or(freed, |until| until.max(freed))
    }

    /// Takes the only block of a reservation out of the books, and its pages out of it.
    fn take_out(&mut self, at: BlockIndex) {
        self.take_free(at);
        for slot in self.movable_inside(at, usize::MAX) {
            if let Some(page) = self.leave(at, slot) {
                self.table.put_spare(page);
            }
        }
        self.begin_serving(at);
    }

    /// Forgets a reservation that went back.
    fn forget(&mut self, index: ReservationIndex, at: BlockIndex, extent: Extent) {
        self.end_serving(at);
        let arena = self.blocks[at].arena;
        self.arenas[arena].known.forget(extent);
        self.table.remove_reservation(index);
        self.blocks.retire(at);
    }
}
