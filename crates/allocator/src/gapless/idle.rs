//! Free blocks that may have whole pages to give: by how many they have left, and by address.
//!
//! They are looked for when pages are short, which costs a walk over the free blocks of a page or
//! more. Keeping them in order all the time would cost every request more than that.

use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;

use gapless_units::Extent;

use super::books::Books;
use super::names::{ArenaIndex, At};
use crate::observer::Observer;

/// So many are searched one by one as fast as in order.
const FEW: usize = 42;

/// Looks for free blocks of a page or more whose pages may move, by what lies in them; as long as
/// none is cut or merged.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// Whether one was looked for: mostly it is only one, which is not worth a list.
    was_asked: Cell<bool>,
    /// The one found last: pages that were mapped together lie together.
    latest: Cell<At>,
    /// All of them, in the order of addresses if they are more than a few.
    blocks: OnceCell<Vec<(Extent, At)>>,
}

/// The block that an extent lies in, of a few or of many in the order of addresses.
fn block_around(blocks: &[(Extent, At)], extent: Extent) -> Option<At> {
    let in_question = if blocks.len() <= FEW {
        blocks
    } else {
        let behind = blocks.partition_point(|(block, _)| block.start() <= extent.start());
        &blocks[behind.saturating_sub(1)..behind]
    };
    in_question.iter().find(|(block, _)| block.contains(extent)).map(|&(_, at)| at)
}

impl<O: Observer> Books<O> {
    /// The free block of a page or more that an extent lies in, where its pages may move.
    pub(super) fn idle_around(&self, idle: &Idle, extent: Extent) -> Option<At> {
        let is_around = |at: At| self.blocks[at].extent().contains(extent);
        if is_around(idle.latest.get()) {
            return Some(idle.latest.get());
        }
        let at = if idle.was_asked.replace(true) {
            let blocks = idle.blocks.get_or_init(|| self.large_blocks_by_address());
            block_around(blocks, extent)?
        } else {
            let page = self.table.page_size;
            let around =
                |arena: ArenaIndex| self.arenas[arena].free.around(&self.blocks, page, extent);
            self.movable_arenas().find_map(around)?
        };
        idle.latest.set(at);
        Some(at)
    }

    fn large_blocks_by_address(&self) -> Vec<(Extent, At)> {
        let mut blocks = Vec::with_capacity(FEW);
        self.large_blocks().for_each(|at| blocks.push((self.blocks[at].extent(), at)));
        if FEW < blocks.len() {
            blocks.sort_unstable_by_key(|(block, _)| block.start());
        }
        blocks
    }

    /// The free blocks with pages to give: those that lack most of theirs first, of equal ones the
    /// largest. What is whole stays whole, for a request of its size to come.
    pub(super) fn idle_by_density(&self) -> Vec<At> {
        let mut blocks = Vec::new();
        let rank = |at: At| (self.density(at), Reverse(self.active_pages(at)), at);
        self.idle_blocks().for_each(|at| blocks.push(rank(at)));
        blocks.sort_unstable();
        blocks.into_iter().map(|(_, _, at)| at).collect()
    }

    /// Which part of the frames that lie wholly in a free block has memory, in 2^-32.
    fn density(&self, at: At) -> u64 {
        let active = u64::from(self.active_pages(at));
        let inside = active + u64::from(self.blocks[at].holes);
        (active << 32) / inside.max(1)
    }

    /// The free blocks with pages to give.
    pub(super) fn idle_blocks(&self) -> impl Iterator<Item = At> {
        self.large_blocks().filter(|&at| 0 < self.active_pages(at))
    }

    /// The free blocks of a page or more whose pages may move.
    fn large_blocks(&self) -> impl Iterator<Item = At> {
        let page = self.table.page_size;
        let of = move |arena: ArenaIndex| self.arenas[arena].free.all(&self.blocks, page);
        self.movable_arenas().flat_map(of)
    }

    /// The arenas whose pages may move.
    fn movable_arenas(&self) -> impl Iterator<Item = ArenaIndex> {
        self.arenas.indices().filter(|&arena| self.may_move(arena))
    }

    /// How many frames with memory lie wholly in a free block.
    pub(super) fn active_pages(&self, at: At) -> u32 {
        let block = &self.blocks[at];
        self.table.inside_count(block.territory, block.extent()) - block.holes
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};
    use gapless_units::{Addr, Bytes, StreamId};

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    fn extent(start: u64, end: u64) -> Extent {
        Extent::between(Addr::new(start), Addr::new(end))
    }

    #[test]
    fn a_block_is_found_by_what_lies_in_it() {
        for count in [0, 1, FEW, FEW + 1, 1000] {
            // Every second one begins where the one before ends.
            let starts = (1u64..).map(|number| 100 * number);
            let blocks = starts.map(|start| extent(start, start + 50 + start / 100 % 2 * 50));
            let blocks: Vec<_> = blocks.zip((1..).map(At)).take(count).collect();
            let around = |start, end| block_around(&blocks, extent(start, end));
            assert_eq!(around(0, 10), None);
            for &(block, at) in &blocks {
                let (start, end) = (block.start().get(), block.end().get());
                let found = [(start, end), (start, start + 10), (end - 10, end)];
                assert_eq!(found.map(|(start, end)| around(start, end)), [Some(at); 3]);
                let none = [(start - 5, start + 5), (end - 5, end + 5), (start - 5, end + 5)];
                assert_eq!(none.map(|(start, end)| around(start, end)), [None; 3]);
            }
            assert_eq!(around(1 << 40, 1 << 41), None);
        }
    }
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
