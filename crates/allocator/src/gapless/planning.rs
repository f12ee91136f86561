//! Plans for what was profiled, made around what lies there.

use gapless_plan::{Cycle, Packing, Room, Span};
use gapless_units::{Addr, Bytes, Extent};

use super::block::State;
use super::books::Books;
use super::names::{ArenaIndex, ReservationIndex};
use super::planner::Profile;
use crate::observer::Observer;

/// Pairs of blocks that may be looked at for a plan: a third of a second at the worst, with all that has to be
/// put in order, in which no other thread has the books.
const MOST_PAIRS: usize = 100_000_000;

impl<O: Observer> Books<O> {
    /// Where the blocks of an arena go whose cycle begins now, around what lies there: behind an address,
    /// and so that no more pages are touched than lie there by now, or may be taken by choice.
    pub(super) fn pack(&self, arena: ArenaIndex, size: Bytes) -> Option<(Packing, Addr)> {
        let profile = self.arenas[arena].planner.schedule()?.due(size)?;
        let own = self.table.reservations();
        let own = own.filter(|(_, book)| book.arena == arena && book.first.some().is_some());
        let (index, reservation) = own.max_by_key(|(_, book)| book.active.len())?;
        let first = reservation.extent.start();
        let cycle = self.cycle_around(profile, index, first);
        let pages = reservation.active.len() as u64 + self.table.whole_pages(self.room());
        // With several streams an arena may lack pages that others have at the moment.
        if pages < self.table.pages_for(cycle.load()) {
            return None;
        }
        let room = Room { page: self.table.page_size, pages };
        let packing = Packing::within(room, &cycle, MOST_PAIRS).next()?;
        debug_assert_eq!(packing.overlap(&cycle), None, "a packing is sound");
        Some((packing, first))
    }

    /// What was profiled, with what is alive in a reservation: blocks of the cycle stay where they are, and
    /// come to lie there again; all others are always in the way.
    fn cycle_around(&self, profile: &Profile, reservation: ReservationIndex, first: Addr) -> Cycle {
        let arena = self.table.reservation(reservation).arena;
        let now = self.arenas[arena].planner.next_request();
        let period = profile.cycle.period();
        let mut spans = profile.cycle.spans().to_vec();
        let mut walls: Vec<Extent> = Vec::new();
        for at in self.blocks.from(self.table.reservation(reservation).first) {
            let block = &self.blocks[at];
            if block.state == State::Free {
                continue;
            }
            let own = profile.alive_since(now.since(block.request));
            let own =
                own.filter(|&span| spans[span].size == block.size && spans[span].at.is_none());
            if let Some(span) = own {
                spans[span].at = Some(block.addr - first);
            } else if let Some(wall) = walls.last_mut().filter(|wall| wall.end() == block.addr) {
                *wall = Extent::between(wall.start(), block.end());
            } else {
                walls.push(block.extent());
            }
        }
        spans.extend(walls.into_iter().map(|wall| Span {
            born: 0,
            life: period,
            size: wall.size(),
            at: Some(wall.start() - first),
        }));
        Cycle::new(period, spans)
    }
}
