//! What is true of the allocator between any two calls.

use gapless_units::Bytes;

use super::block::State;
use super::books::Books;
use super::names::{BlockIndex, ReservationIndex, Slot};
use super::page::Whereabouts;
use crate::observer::Observer;

/// Something that is true of every sound allocator is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenInvariant(String);

fn broken<T>(what: String) -> Result<T, BrokenInvariant> {
    Err(BrokenInvariant(what))
}

impl<O: Observer> Books<O> {
    /// Looks at everything, while no request is being served.
    pub(super) fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        let none = &self.blocks[BlockIndex::NONE];
        if none.state == State::Free || !none.size.is_zero() {
            return broken("what stands for no block is one".to_owned());
        }
        let mut live = Bytes::ZERO;
        let mut free = 0;
        for (reservation, book) in self.table.reservations() {
            if book.first.some().is_some() && self.arenas[book.arena].is_gone {
                return broken("a reservation is of an arena that is gone".to_owned());
            }
            live += self.check_reservation(reservation, &mut free)?;
        }
        if live != self.counts.live() {
            return broken(format!("{live} are alive, {} are counted", self.counts.live()));
        }
        let known: usize = self
            .arenas
            .indices()
            .map(|arena| self.arenas[arena].free.all(&self.blocks, Bytes::ZERO).count())
            .sum();
        if free != known {
            return broken(format!("{free} blocks are free, {known} are known"));
        }
        if 0 < self.serving {
            return broken(format!("{} requests are being served", self.serving));
        }
        let gone = self.arenas.indices().map(|index| &self.arenas[index]);
        if gone.filter(|arena| arena.is_gone).any(|arena| arena.checkpoint.is_some()) {
            return broken("an arena that is gone has an event".to_owned());
        }
        let mut events = 0;
        for (at, count) in self.deferred.counts() {
            events += count as usize;
            if self.blocks[at].state != State::Pending {
                return broken(format!("{at:?} waits for events and is not pending"));
            }
        }
        let is_postponed = |at: &BlockIndex| self.deferred.postponed.contains(at);
        let waits = |at: &BlockIndex| 0 < self.deferred.count_of(*at) || is_postponed(at);
        let blocks =
            || self.table.reservations().flat_map(|(_, book)| self.blocks.from(book.first));
        let mut pending = blocks().filter(|&at| self.blocks[at].state == State::Pending);
        if pending.any(|at| !waits(&at)) {
            return broken("a block is pending and waits for nothing".to_owned());
        }
        let has_uses = |at: &BlockIndex| self.deferred.uses.contains_key(at) && !is_postponed(at);
        if blocks().any(|at| self.blocks[at].used_elsewhere != has_uses(&at)) {
            return broken("a block says of itself otherwise whether streams used it".to_owned());
        }
        if events != self.deferred.queued() {
            return broken("blocks wait for other events than are queued".to_owned());
        }
        self.check_pages()?;
        self.check_slots()
    }

    /// Blocks lie side by side, and those in use lie on memory.
    fn check_reservation(
        &self,
        reservation: ReservationIndex,
        free: &mut usize,
    ) -> Result<Bytes, BrokenInvariant> {
        let book = self.table.reservation(reservation);
        let mut at_addr = book.extent.start();
        let mut was_free = false;
        let mut live = Bytes::ZERO;
        for at in self.blocks.from(book.first) {
            let block = &self.blocks[at];
            if block.addr != at_addr || block.size.is_zero() {
                return broken(format!("{at:?} does not begin where the block before ends"));
            }
            at_addr = block.end();
            let is_free = block.state == State::Free;
            if is_free && was_free {
                return broken(format!("{at:?} and the block before are free and apart"));
            }
            was_free = is_free;
            if is_free {
                *free += 1;
                self.check_free(at)?;
            } else {
                self.check_used(at)?;
            }
            if matches!(block.state, State::Held | State::Pending) {
                live += block.size;
            }
        }
        if at_addr != book.extent.end() {
            return broken("a reservation is not all blocks".to_owned());
        }
        self.check_fingers(reservation)?;
        Ok(live)
    }

    /// Each slot lies in the block that it is found in.
    fn check_fingers(&self, reservation: ReservationIndex) -> Result<(), BrokenInvariant> {
        for slot in self.table.slots(reservation) {
            let addr = self.table.addr(slot);
            let found = self.block_around(slot).map(|at| &self.blocks[at]);
            let is_wrong = found.is_some_and(|block| {
                block.reservation != reservation || addr < block.addr || block.end() <= addr
            });
            if is_wrong {
                return broken(format!("{slot:?} is found where it does not lie"));
            }
        }
        Ok(())
    }

    fn check_used(&self, at: BlockIndex) -> Result<(), BrokenInvariant> {
        let block = &self.blocks[at];
        let mut slots = self.table.touched(block.reservation, block.extent());
        if slots.any(|slot| !self.table.has_memory(slot)) {
            return broken(format!("{at:?} is in use without memory"));
        }
        Ok(())
    }

    fn check_free(&self, at: BlockIndex) -> Result<(), BrokenInvariant> {
        let block = &self.blocks[at];
        let is_active = |&slot: &Slot| self.table.has_memory(slot);
        let slots = self.table.inside(block.reservation, block.extent());
        let bare = slots.filter(|slot| !is_active(slot)).count();
        if bare as u64 != u64::from(block.bare) {
            return broken(format!("{at:?} has {bare} bare slots, {} are counted", block.bare));
        }
        let frontier = self.table.frontier(block.reservation);
        let inside = self.table.inside(block.reservation, block.extent());
        let mut inside = inside.take_while(|&slot| self.table.addr(slot) < frontier);
        if inside.any(|slot| self.block_around(slot) != Some(at)) {
            return broken(format!("{at:?} is not found by its slots"));
        }
        let mut known = self.arenas[block.arena].free.all(&self.blocks, block.size);
        if !known.any(|other| other == at) {
            return broken(format!("{at:?} is free and in no book"));
        }
        Ok(())
    }

    /// Each page is where the slots say, and all of them together are what is reserved.
    fn check_pages(&self) -> Result<(), BrokenInvariant> {
        let mut count = 0;
        let mut aliases = 0;
        for (index, page) in self.table.pages() {
            count += 1;
            aliases += page.aliases.len();
            let is_spare = self.table.spare().contains(&index);
            let is_known_so = match page.whereabouts {
                Whereabouts::Home(_) => !is_spare,
                Whereabouts::Spare => is_spare,
                Whereabouts::Underway => false,
            };
            if !is_known_so {
                return broken(format!("{index:?} is spare and active, or neither"));
            }
            if 0 < page.vanishing {
                return broken(format!("{index:?} is being unmapped"));
            }
            let home = page.home();
            let places = home.iter().map(|&home| (home, true));
            let places = places.chain(page.aliases.iter().map(|&alias| (alias, false)));
            for (slot, active) in places {
                let book = self.table.slot(slot);
                if book.page != Some(index) || self.table.has_memory(slot) != active {
                    return broken(format!("{index:?} is not where it is said to be"));
                }
            }
        }
        let held = self.table.bytes_of(count);
        if held != self.reserved {
            return broken(format!("{held} of pages, {} reserved", self.reserved));
        }
        if aliases != self.table.alias_count {
            return broken(format!("{aliases} aliases, {} are counted", self.table.alias_count));
        }
        let slots = self.table.reservations().flat_map(|(index, _)| self.table.slots(index));
        let mapped = slots.filter(|&slot| self.table.slot(slot).page.is_some()).count();
        let homes = self.table.pages().filter(|(_, page)| page.home().is_some()).count();
        let active = self.table.reservations().map(|(_, reservation)| reservation.active.len());
        if active.sum::<usize>() != homes {
            return broken("a slot has memory of no page".to_owned());
        }
        if mapped != homes + aliases {
            return broken("a slot shows a page that does not know it".to_owned());
        }
        Ok(())
    }

    /// No slot is about to change, and what is pinned has memory.
    fn check_slots(&self) -> Result<(), BrokenInvariant> {
        for slot in self.table.reservations().flat_map(|(index, _)| self.table.slots(index)) {
            let book = self.table.slot(slot);
            if book.underway {
                return broken(format!("{slot:?} is underway"));
            }
            if u64::from(book.pins) != self.table.pins_over(slot) {
                return broken(format!("{slot:?} counts {} pins", book.pins));
            }
            if 0 < book.pins && !self.table.has_memory(slot) {
                return broken(format!("{slot:?} is pinned and has no memory"));
            }
        }
        Ok(())
    }
}
