//! Addresses that go back to the device.
//!
//! Addresses are plenty, not endless: a territory is larger than the device, and each stream of each
//! private pool has its own. So one in which nothing lives goes back when memory is given back, and
//! when the device has no more addresses.

use gapless_device::{Device, DeviceError};
use gapless_units::Extent;

use super::block::State;
use super::books::Books;
use super::endings::remove_empty_arenas;
use super::hold::Hold;
use super::names::{ArenaIndex, At, Frame, TerritoryIndex};
use super::unmap::unmap;
use super::waits::stall_for_arena;
use crate::observer::Observer;

/// Gives back every territory under which nothing is mapped.
pub(super) fn release_bare<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    for index in hold.books().table.territory_indices() {
        if hold.books().is_deserted(index) && hold.books().mapped_in(index).is_empty() {
            release(hold, index)?;
        }
    }
    remove_empty_arenas(hold)
}

/// Gives back every territory in which nothing lives and that no work uses any more; where there is
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

/// What became of the territories in which nothing lives.
#[derive(Default)]
struct Deserted {
    /// How many went back.
    released: usize,
    /// An arena whose work still uses one.
    used_by: Option<ArenaIndex>,
}

fn release_unused<H: Hold>(hold: &mut H) -> Result<Deserted, DeviceError> {
    let mut deserted = Deserted::default();
    for index in hold.books().table.territory_indices() {
        if !hold.books().is_deserted(index) {
            continue;
        }
        let (books, device) = hold.parts();
        let arena = books.table.territory(index).arena;
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

/// Gives back a deserted territory; where that fails, it is as before but for its pages.
fn release<H: Hold>(hold: &mut H, index: TerritoryIndex) -> Result<(), DeviceError> {
    let books = hold.books();
    let (at, extent) = (books.table.territory(index).first, books.table.territory(index).extent);
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
    /// Whether nothing lives in a territory, is about to, or has to stay.
    fn is_deserted(&self, index: TerritoryIndex) -> bool {
        let territory = self.table.territory(index);
        let Some(first) = territory.first.some() else { return false };
        let block = &self.blocks[first];
        let is_free = block.state == State::Free && block.extent() == territory.extent;
        is_free
            && self.may_move(territory.arena)
            && self.table.frames(index).all(|frame| {
                let book = self.table.frame(frame);
                book.pins == 0 && !book.underway
            })
    }

    /// The frames of a territory under which something is mapped.
    fn mapped_in(&self, index: TerritoryIndex) -> Vec<Frame> {
        let frames = self.table.frames(index);
        frames.filter(|&frame| self.table.frame(frame).page.is_some()).collect()
    }

    /// When the last block of a deserted territory was freed, on the allocator's clock.
    fn last_use_of(&self, index: TerritoryIndex) -> u64 {
        let left = self.table.frames(index).map(|frame| self.table.frame(frame).left).max();
        let freed = self.blocks[self.table.territory(index).first].freed;
        left.map_or(freed, |left| left.max(freed))
    }

    /// Takes the only block of a territory out of the books, and its pages out of it.
    fn take_out(&mut self, at: At) {
        self.take_free(at);
        for frame in self.movable_inside(at, usize::MAX) {
            if let Some(page) = self.leave(at, frame) {
                self.table.put_spare(page);
            }
        }
        self.blocks[at].state = State::Serving;
        self.serving += 1;
    }

    /// Forgets a territory that went back.
    fn forget(&mut self, index: TerritoryIndex, at: At, extent: Extent) {
        self.serving -= 1;
        let arena = self.blocks[at].arena;
        self.arenas[arena].known.forget(extent);
        self.table.remove_territory(index);
        self.blocks.retire(at);
    }
}
