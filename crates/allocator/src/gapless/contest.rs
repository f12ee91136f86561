//! Slots that are taken over again and again: rent or buy.
//!
//! Two requests that take turns at the same slots, each with pages of its own, pay for the maps
//! each time, and a program that repeats itself never comes to rest. So every slot has an account
//! of how often its mapping had to make room for another. When those that a request is about to
//! take over have together cost what mapping the whole request costs, it goes where nothing
//! was ever mapped: there it finds its pages again, and nobody takes them over.
//!
//! That is the rule for renting skis: by when to buy without knowing how often one will ski
//! (A. R. Karlin, M. S. Manasse, L. Rudolph and D. D. Sleator, *Competitive snoopy caching*,
//! Algorithmica 3, 1988).

use super::books::Books;
use super::names::Slot;
use super::place::Place;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Where a request goes when pages are short: where the fewest have to be mapped, now and
    /// later.
    pub(super) fn lasting_place(&mut self, tightest: Place) -> Place {
        // As far as can be told nothing has to be mapped there, so nowhere less.
        if self.missing(tightest).next().is_none() {
            return tightest;
        }
        let (arena, size) = (self.blocks[tightest.at()].arena, tightest.size());
        let cheapest = self.cheapest_place(tightest);
        let price = self.table.pages_for(size);
        // What can be looked up at once comes first: mostly nothing is contested.
        if self.rent(self.lacking(cheapest)) < price {
            return cheapest;
        }
        let contested: Vec<Slot> = self.missing(cheapest).collect();
        if self.rent(contested.iter().copied()) < price {
            return cheapest;
        }
        let Some(fresh) = self.fresh_place(arena, size) else { return cheapest };
        for slot in contested {
            self.table.slot_mut(slot).takeovers = 0;
        }
        fresh
    }

    /// What taking over these slots has cost so far, in maps.
    fn rent(&self, slots: impl Iterator<Item = Slot>) -> u64 {
        slots.map(|slot| u64::from(self.table.slot(slot).takeovers)).sum()
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};
    use gapless_units::{Bytes, PoolId, StreamId};

    use crate::allocator::Allocator;
    use crate::gapless::names::Slot;
    use crate::gapless::{GaplessAllocator, Slack};

    #[test]
    fn what_was_taken_over_often_is_left_for_fresh_addresses() {
        let device = Sim::new(SimSetup::new(Bytes::gib(8)));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let mut take = |mib| allocator.allocate(Bytes::mib(mib), StreamId(0)).unwrap();
        let (gap, _beside) = (take(8), take(2));
        assert_eq!(allocator.free(gap), Ok(()));
        // The pages of the gap move here.
        let _large = allocator.allocate(Bytes::mib(10), StreamId(0)).unwrap();
        let books = &mut allocator.books;
        let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
        let tightest = books.best_place(arena, Bytes::mib(8)).unwrap();
        let lacking: Vec<Slot> = books.lacking(tightest).collect();
        assert_eq!(lacking.len(), 4);
        for rent in 0..4 {
            assert_eq!(books.lasting_place(tightest).start(), tightest.start(), "rent {rent}");
            books.table.slot_mut(lacking[0]).takeovers += 1;
        }
        let fresh = books.lasting_place(tightest);
        assert!(books.table.frontier(lacking[0].reservation) <= fresh.start());
        assert_eq!(books.table.slot(lacking[0]).takeovers, 0, "it starts anew");
    }
}
