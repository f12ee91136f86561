//! Frames that are taken over again and again: rent or buy.
//!
//! Two requests that take turns at the same frames, each with pages of its own, pay for the maps
//! each time, and a program that repeats itself never comes to rest. So every frame has an account
//! of how often its mapping had to make room for another. When those that a request is about to
//! take over have together cost what mapping the whole request costs, it goes where nothing
//! was ever mapped: there it finds its pages again, and nobody takes them over.
//!
//! That is the rule for renting skis: by when to buy without knowing how often one will ski
//! (A. R. Karlin, M. S. Manasse, L. Rudolph and D. D. Sleator, *Competitive snoopy caching*,
//! Algorithmica 3, 1988).

use super::books::Books;
use super::idle::Idle;
use super::names::{ArenaIndex, Frame};
use super::place::Place;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Where a request goes when pages are short: where the fewest have to be mapped, now and
    /// later.
    pub(super) fn lasting_place(&mut self, tightest: Place, arena: ArenaIndex) -> Place {
        let size = tightest.size();
        let cheapest = self.cheapest_place(tightest, arena);
        let price = self.table.pages_for(size);
        // What can be looked up at once comes first: mostly nothing is contested.
        if self.rent(self.lacking(cheapest)) < price {
            return cheapest;
        }
        let idle = Idle::default();
        let contested: Vec<Frame> = self.missing(&idle, cheapest).collect();
        if self.rent(contested.iter().copied()) < price {
            return cheapest;
        }
        let Some(fresh) = self.fresh_place(arena, size) else { return cheapest };
        for frame in contested {
            self.table.frame_mut(frame).takeovers = 0;
        }
        fresh
    }

    /// What taking over these frames has cost so far, in maps.
    fn rent(&self, frames: impl Iterator<Item = Frame>) -> u64 {
        frames.map(|frame| u64::from(self.table.frame(frame).takeovers)).sum()
    }
}
