//! Which block a slot lies in: a finger search.
//!
//! Blocks are linked in the order of their addresses, and not found by them: an index would have to
//! follow every cut and merge, which costs each request more than all searches together. But a
//! slot's block is mostly the one it was seen in last, or the slot before was, or one a few blocks
//! away. These are its *fingers*, from which it is walked; and else from the large free block before
//! it. No walk is long: where it leads nowhere, there is at least no large free block.
//!
//! To search from where something was found last is as old as lists are long (L. J. Guibas, E. M.
//! `McCreight`, M. F. Plass and J. R. Roberts, *A new representation for linear lists*, 1977). A
//! finger is never believed: its block may be gone, and another have its place.

use gapless_units::Addr;

use super::block::State;
use super::books::Books;
use super::names::{BlockIndex, ReservationIndex, Slot};
use crate::observer::Observer;

/// From how far it is walked, in pages: in the place of a block that is gone another is mostly
/// farther away.
const FAR: u64 = 16;

/// How many blocks it is walked from a finger.
const STEPS: usize = 16;

/// And from a large free block.
const STEPS_FROM_FREE: usize = 64;

impl<O: Observer> Books<O> {
    /// The block that a slot begins in, where it is found; always, if that is a free block of a page or
    /// more.
    pub(super) fn block_around(&self, slot: Slot) -> Option<BlockIndex> {
        let addr = self.table.addr(slot);
        // Mostly it lies there still, and nothing has to be walked.
        let seen_in = self.table.finger(slot);
        let block = &self.blocks[seen_in];
        if block.addr <= addr && addr < block.end() && block.state != State::Gone {
            return Some(seen_in);
        }
        let near = self.table.fingers(slot).find_map(|finger| self.walk(finger, addr));
        let found = near.or_else(|| self.search(slot.reservation, addr))?;
        self.table.point(slot, found);
        Some(found)
    }

    /// The block that an address lies in, from the last free block of a page or more before it on.
    fn search(&self, reservation: ReservationIndex, addr: Addr) -> Option<BlockIndex> {
        let book = self.table.reservation(reservation);
        let large = self.arenas[book.arena].free.all(&self.blocks, self.table.page_size);
        let before = large.filter(|&at| {
            self.blocks[at].reservation == reservation && self.blocks[at].addr <= addr
        });
        let from = before.max_by_key(|&at| self.blocks[at].addr).unwrap_or(book.first);
        let mut walked = self.blocks.from(from).take(STEPS_FROM_FREE);
        walked.find(|&at| addr < self.blocks[at].end())
    }

    /// The block that an address lies in, where it is not far from another.
    fn walk(&self, from: BlockIndex, addr: Addr) -> Option<BlockIndex> {
        let mut at = from;
        let (start, end) = (self.blocks[at].addr, self.blocks[at].end());
        let far = self.table.bytes_of(FAR);
        if addr + far < start || end + far < addr {
            return None;
        }
        for _ in 0..STEPS {
            let block = &self.blocks[at];
            at = if block.state == State::Gone || addr < block.addr {
                block.prev
            } else if block.end() <= addr {
                block.next
            } else {
                return Some(at);
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};
    use gapless_units::{Bytes, StreamId};

    use crate::allocator::Allocator;
    use crate::gapless::block::State;
    use crate::gapless::names::{BlockIndex, ReservationIndex, Slot};
    use crate::gapless::turns::{Numbers, turn};
    use crate::gapless::{GaplessAllocator, Slack};

    fn allocator() -> GaplessAllocator<Sim> {
        GaplessAllocator::new(Sim::new(SimSetup::new(Bytes::gib(8))), Slack::NONE, ())
    }

    fn slot(number: u32) -> Slot {
        Slot { reservation: ReservationIndex(0), number }
    }

    #[test]
    fn a_slot_is_followed_through_merges_and_cuts() {
        let mut allocator = allocator();
        let stream = StreamId(0);
        let held: Vec<_> =
            (0..100).map(|_| allocator.allocate(Bytes::mib(2), stream).unwrap()).collect();
        let addr = |allocator: &GaplessAllocator<Sim>, number| {
            let at: BlockIndex = allocator.books.block_around(slot(number))?;
            let block = &allocator.books.blocks[at];
            Some((block.state, block.addr - allocator.books.table.addr(slot(0))))
        };
        assert_eq!(addr(&allocator, 7), Some((State::Held, Bytes::mib(14))));
        for &block in &held[4..9] {
            assert_eq!(allocator.free(block), Ok(()));
        }
        allocator.books.clear_front();
        // Its block is part of one that begins before.
        assert_eq!(addr(&allocator, 7), Some((State::Free, Bytes::mib(8))));
        let _front = allocator.allocate(Bytes::mib(5), stream).unwrap();
        assert_eq!(addr(&allocator, 7), Some((State::Free, Bytes::mib(13))));
        // What was seen last is far from the first slots, but they have fingers of their own.
        assert_eq!(addr(&allocator, 99), Some((State::Held, Bytes::mib(198))));
        assert_eq!(addr(&allocator, 1), Some((State::Held, Bytes::mib(2))));
    }

    /// Whatever the fingers are at, what is found is what a search of all blocks finds.
    #[test]
    fn the_free_block_of_each_slot_is_found() {
        let mut numbers = Numbers(5);
        let turn = turn(&mut numbers, 90);
        let mut allocator = allocator();
        let mut held = Vec::new();
        let mut found = 0;
        for (request, asked) in turn.iter().cycle().take(10 * turn.len()).enumerate() {
            for (_, block) in held.extract_if(.., |&mut (end, _)| end <= request) {
                assert_eq!(allocator.free(block), Ok(()));
            }
            let block = allocator.allocate(asked.size, StreamId(0)).unwrap();
            held.push((request + asked.life, block));
            let books = &allocator.books;
            for _ in 0..20 {
                let slots = books.table.slots(ReservationIndex(0)).count() as u64;
                let slot = slot(u32::try_from(numbers.below(slots)).unwrap());
                let extent = books.table.extent(slot);
                let mut all = books.blocks.from(books.table.reservation(slot.reservation).first);
                let around = all.find(|&at| books.blocks[at].extent().contains(extent));
                let around = around.filter(|&at| books.blocks[at].state == State::Free);
                assert_eq!(books.idle_around(slot), around);
                found += usize::from(around.is_some());
            }
        }
        assert!(1000 < found, "{found}");
    }
}
