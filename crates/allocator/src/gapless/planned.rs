//! Plans that are made for an arena, and places that a plan has for requests.

use gapless_device::DeviceError;
use gapless_plan::{Cycle, Packing, Span};
use gapless_units::{Addr, Bytes};

use super::block::State;
use super::books::Books;
use super::hold::Hold;
use super::lesson::Learnt;
use super::names::{ArenaIndex, At, TerritoryIndex};
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
    /// Where the blocks of an arena go whose cycle begins now, around what lies there: behind an address,
    /// and so that no more pages are touched than lie there by now, or may be taken by choice.
    fn pack(&self, arena: ArenaIndex) -> Option<(Packing, Addr)> {
        let learnt = self.arenas[arena].habit.routine()?.due()?;
        let own = self.table.territories().filter(|(_, book)| book.arena == arena);
        let (index, territory) = own.max_by_key(|(_, book)| book.active.len())?;
        let first = territory.extent.start();
        let cycle = self.cycle_around(learnt, index, first);
        let pages = territory.active.len() as u64 + self.table.whole_pages(self.room());
        let page = self.table.page_size;
        let packing = Packing::each(&cycle).find(|it| it.touched_pages(&cycle, page) <= pages)?;
        debug_assert_eq!(packing.overlap(&cycle), None, "a packing is sound");
        Some((packing, first))
    }

    /// What was learnt, with what is alive in a territory: blocks of the cycle stay where they are, and
    /// come to lie there again; all others are always in the way.
    fn cycle_around(&self, learnt: &Learnt, territory: TerritoryIndex, first: Addr) -> Cycle {
        let arena = self.table.territory(territory).arena;
        let now = self.arenas[arena].habit.next_name();
        let period = learnt.cycle.period();
        let mut spans = learnt.cycle.spans().to_vec();
        for at in self.blocks.from(self.table.territory(territory).first) {
            let block = &self.blocks[at];
            if block.state == State::Free {
                continue;
            }
            let own = learnt.alive_since(now.wrapping_sub(block.name) as usize);
            let own =
                own.filter(|&span| spans[span].size == block.size && spans[span].at.is_none());
            let at = Some(block.addr - first);
            match own {
                Some(span) => spans[span].at = at,
                None => spans.push(Span { born: 0, life: period, size: block.size, at }),
            }
        }
        Cycle::new(period, spans)
    }

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
