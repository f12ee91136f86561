//! Free blocks that may have whole pages to give: by what lies in them, and by what they lack.

use std::cmp::Reverse;

use super::block::State;
use super::books::Books;
use super::names::{ArenaIndex, BlockIndex, Slot};
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// The free block that a slot lies in, where its pages may move.
    pub(super) fn idle_around(&self, slot: Slot) -> Option<BlockIndex> {
        let at = self.block_around(slot)?;
        let block = &self.blocks[at];
        let lies_in = self.table.extent(slot).end() <= block.end();
        (block.state == State::Free && lies_in && self.may_move(block.arena)).then_some(at)
    }

    /// The free blocks with pages to give: those that lack most of theirs first, of equal ones the
    /// largest. What is whole stays whole, for a request of its size to come.
    pub(super) fn idle_by_density(&self) -> Vec<BlockIndex> {
        let mut blocks = Vec::new();
        let rank = |at: BlockIndex| (self.density(at), Reverse(self.active_pages(at)), at);
        self.idle_blocks().for_each(|at| blocks.push(rank(at)));
        blocks.sort_unstable();
        blocks.into_iter().map(|(_, _, at)| at).collect()
    }

    /// Which part of the slots that lie wholly in a free block has memory, in 2^-32.
    fn density(&self, at: BlockIndex) -> u64 {
        let active = u64::from(self.active_pages(at));
        let inside = active + u64::from(self.blocks[at].bare);
        (active << 32) / inside.max(1)
    }

    /// The free blocks with pages to give.
    pub(super) fn idle_blocks(&self) -> impl Iterator<Item = BlockIndex> {
        self.large_blocks().filter(|&at| 0 < self.active_pages(at))
    }

    /// The free blocks of a page or more whose pages may move.
    fn large_blocks(&self) -> impl Iterator<Item = BlockIndex> {
        let page = self.table.page_size;
        let of = move |arena: ArenaIndex| self.arenas[arena].free.all(&self.blocks, page);
        self.movable_arenas().flat_map(of)
    }

    /// The arenas whose pages may move.
    fn movable_arenas(&self) -> impl Iterator<Item = ArenaIndex> {
        self.arenas.indices().filter(|&arena| self.may_move(arena))
    }

    /// How many slots with memory lie wholly in a free block.
    pub(super) fn active_pages(&self, at: BlockIndex) -> u32 {
        let block = &self.blocks[at];
        self.table.inside_count(block.reservation, block.extent()) - block.bare
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};
    use gapless_units::{Bytes, StreamId};

    use crate::allocator::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    #[test]
    fn pages_leave_the_block_that_lacks_most() {
        let device = Sim::new(SimSetup::new(Bytes::gib(1)));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let mut take = |pages: u64| allocator.allocate(Bytes::mib(2 * pages), StreamId(0)).unwrap();
        let (small, _apart, large, _last) = (take(4), take(1), take(6), take(1));
        for block in [small, large] {
            assert_eq!(allocator.free(block), Ok(()));
        }
        allocator.books.clear_front();
        let pages = |allocator: &GaplessAllocator<Sim>| -> Vec<u32> {
            let books = &allocator.books;
            books.idle_by_density().into_iter().map(|at| books.active_pages(at)).collect()
        };
        assert_eq!(pages(&allocator), [6, 4], "both are whole: the largest first");
        // It fits into neither, so pages move: all of the large block, and one of the small.
        let behind = allocator.allocate(Bytes::mib(2 * 7), StreamId(0)).unwrap();
        assert_eq!(pages(&allocator), [3]);
        assert_eq!(allocator.free(behind), Ok(()));
        allocator.books.clear_front();
        assert_eq!(pages(&allocator), [7, 3], "first what lies before all addresses to come");
        assert_eq!(allocator.check_invariants(), Ok(()));
    }
}
