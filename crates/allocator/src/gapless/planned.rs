//! Places that a plan has for requests.

use gapless_device::DeviceError;
use gapless_units::Bytes;

use super::books::Books;
use super::hold::Hold;
use super::names::{ArenaIndex, BlockIndex};
use super::place::{Place, carve};
use super::planner::{Plan, Planned, Schedule};
use super::supply::Refusal;
use super::waits::stall_for_arena;
use crate::observer::Observer;

#[cfg(test)]
mod tests;

/// How many free blocks are looked at for the one in which a place lies: some microseconds.
const LOOKED_AT: usize = 4096;

/// A block where the arena's plan has a place for it; none where there is no plan, or something is
/// in the way.
// Kept out of the way of all other requests.
#[inline(never)]
pub(super) fn take_planned<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
) -> Result<Option<BlockIndex>, DeviceError> {
    let books = hold.books();
    if books.arenas[arena].planner.schedule().is_some_and(|schedule| schedule.due(size).is_some()) {
        let packing = books.pack(arena, size);
        books.arenas[arena].planner.take_plan(packing);
    }
    let Some(planned) = books.planned(arena, size) else { return Ok(None) };
    let mut may_wait = books.may_wait_for_places(arena);
    while let Some(place) = hold.books().place_at(arena, planned) {
        match take_within_budget(hold, arena, place) {
            Ok(at) => return Ok(Some(at)),
            Err(Refusal::Device(error)) if is_final(&error) => return Err(error),
            Err(Refusal::Busy) if may_wait => {
                may_wait = false;
                // A plan is no reason to fail.
                if stall_for_arena(hold, arena).is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let Some(beside) = hold.books().place_beside_the_plan(arena, size) else { return Ok(None) };
    match take_within_budget(hold, arena, beside) {
        Ok(at) => Ok(Some(at)),
        Err(Refusal::Device(error)) if is_final(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether a request that is served without a plan fails as well.
fn is_final(error: &DeviceError) -> bool {
    !matches!(error, DeviceError::OutOfMappings { .. })
}

/// A block at a place, unless the arena has to grow beyond the budget for it.
fn take_within_budget<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    place: Place,
) -> Result<BlockIndex, Refusal> {
    let books = hold.books();
    if let Some(at) = books.cut_ready(place) {
        return Ok(at);
    }
    match books.pages_short(arena, place) {
        0 => carve(hold, place),
        short => Err(Refusal::Short(short)),
    }
}

impl<O: Observer> Books<O> {
    /// Where the plan of an arena has the next request go.
    fn planned(&self, arena: ArenaIndex, size: Bytes) -> Option<Planned> {
        self.arenas[arena].planner.schedule()?.place(size)
    }

    fn may_wait_for_places(&self, arena: ArenaIndex) -> bool {
        let plan = self.arenas[arena].planner.schedule().and_then(Schedule::plan);
        plan.is_some_and(Plan::is_being_settled)
    }

    /// The place where a request goes as planned, if it is free.
    fn place_at(&mut self, arena: ArenaIndex, planned: Planned) -> Option<Place> {
        let Planned { part, gap } = planned;
        let at = {
            let free = &self.arenas[arena].free;
            let as_before = free.between(&self.blocks, gap, Some(gap));
            let gaps = as_before.chain(free.all(&self.blocks, part.size()));
            gaps.take(LOOKED_AT).find(|&at| self.blocks[at].extent().contains(part))?
        };
        self.arenas[arena].planner.note_gap(self.blocks[at].size);
        Some(Place::new(at, part))
    }

    /// Where a request goes whose place is taken, so that it takes no other's: behind the last.
    fn place_beside_the_plan(&self, arena: ArenaIndex, size: Bytes) -> Option<Place> {
        let end = self.arenas[arena].planner.schedule()?.plan()?.end();
        let gaps = self.arenas[arena].free.all(&self.blocks, size).take(LOOKED_AT);
        let behind = gaps.filter_map(|at| self.place_behind(at, end, size));
        behind.min_by_key(|place| place.start())
    }

    /// How many pages are missing for a place beyond those that lie free in its arena, and those
    /// within the budget.
    fn pages_short(&self, arena: ArenaIndex, place: Place) -> u64 {
        let lacking = self.lacking(place).count() as u64;
        let own = self.idle_blocks().filter(|&at| self.blocks[at].arena == arena);
        let idle: u64 = own.map(|at| u64::from(self.active_pages(at))).sum();
        let elsewhere = idle.saturating_sub(self.touched(place) - lacking);
        lacking.saturating_sub(elsewhere + self.table.whole_pages(self.room()))
    }
}
