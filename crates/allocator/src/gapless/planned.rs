//! Places that a plan has for requests.

use gapless_device::DeviceError;
use gapless_units::Bytes;

use super::books::Books;
use super::hold::Hold;
use super::names::{ArenaIndex, At};
use super::place::{Place, carve};
use super::supply::Refusal;
use crate::observer::Observer;

#[cfg(test)]
mod tests;

/// A block where the arena's plan has a place for it; none where there is no plan, or something is
/// in the way.
pub(super) fn take_planned<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
) -> Result<Option<At>, DeviceError> {
    let books = hold.books();
    if books.arenas[arena].habit.routine().is_some_and(|routine| routine.due().is_some()) {
        let packing = books.pack(arena);
        books.arenas[arena].habit.plan(packing);
    }
    let Some(place) = books.planned_place(arena, size) else { return Ok(None) };
    match carve(hold, place) {
        Ok(at) => Ok(Some(at)),
        Err(Refusal::Device(error)) => Err(error),
        Err(Refusal::Short(_) | Refusal::Busy | Refusal::Underway) => Ok(None),
    }
}

impl<O: Observer> Books<O> {
    /// The place that the plan of an arena has for a request, where it is free and enough pages are.
    fn planned_place(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let part = self.arenas[arena].habit.routine()?.place(size)?;
        let mut free = self.arenas[arena].free.all(&self.blocks, size);
        let at = free.find(|&at| self.blocks[at].extent().contains(part))?;
        let place = Place::new(at, part);
        let lacking = self.lacking(place).count() as u64;
        (lacking == 0 || lacking <= self.pages_at_hand(arena)).then_some(place)
    }

    /// How many pages an arena may take without growing beyond the budget.
    fn pages_at_hand(&self, arena: ArenaIndex) -> u64 {
        let own = self.idle_blocks().filter(|&at| self.blocks[at].arena == arena);
        let idle: u64 = own.map(|at| u64::from(self.active_pages(at))).sum();
        idle + self.table.whole_pages(self.room())
    }
}
