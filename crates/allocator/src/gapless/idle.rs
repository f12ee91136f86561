//! Free blocks that may have whole pages to give: by age, and by address.
//!
//! They are looked for when pages are short, which costs a walk over the free blocks of a page or
//! more. Keeping them in order all the time would cost every request more than that.

use std::cell::{Cell, OnceCell};

use gapless_units::Extent;

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

/// Room that is made at first: enough for most programs.
const USUAL_ROOM: usize = 128;

/// So many walks over the free blocks cost what putting them in order does.
const WALKS: u32 = 2;

/// Looks for free blocks of a page or more whose pages may move, by what lies in them; as long as
/// none is cut or merged.
#[derive(Debug, Default)]
pub(super) struct Idle {
    walks: Cell<u32>,
    /// The one found last: pages that were mapped together lie together.
    latest: Cell<At>,
    /// All of them, once they were looked for a few times.
    ordered: OnceCell<Ordered>,
}

/// Blocks in the order of addresses.
#[derive(Debug)]
struct Ordered {
    blocks: Vec<(Extent, At)>,
    /// The place of the one found last.
    latest: Cell<usize>,
}

impl Ordered {
    fn new(mut blocks: Vec<(Extent, At)>) -> Self {
        blocks.sort_unstable_by_key(|(block, _)| block.start());
        Self { blocks, latest: Cell::new(0) }
    }

    /// The block that an extent lies in.
    fn around(&self, extent: Extent) -> Option<At> {
        let begins_by = |place: usize| {
            self.blocks.get(place).is_some_and(|(block, _)| block.start() <= extent.start())
        };
        let latest = self.latest.get();
        if !begins_by(latest) || begins_by(latest + 1) {
            let behind = self.blocks.partition_point(|(block, _)| block.start() <= extent.start());
            self.latest.set(behind.checked_sub(1)?);
        }
        let (block, at) = self.blocks[self.latest.get()];
        block.contains(extent).then_some(at)
    }
}

impl<O: Observer> Books<O> {
    /// The free block of a page or more that an extent lies in, where its pages may move.
    pub(super) fn idle_around(&self, idle: &Idle, extent: Extent) -> Option<At> {
        if let Some(ordered) = idle.ordered.get() {
            return ordered.around(extent);
        }
        let is_around = |at: At| self.blocks[at].extent().contains(extent);
        if is_around(idle.latest.get()) {
            return Some(idle.latest.get());
        }
        if idle.walks.get() == WALKS {
            return idle.ordered.get_or_init(|| self.ordered()).around(extent);
        }
        idle.walks.set(idle.walks.get() + 1);
        let at = self.large_blocks().find(|&at| is_around(at))?;
        idle.latest.set(at);
        Some(at)
    }

    fn ordered(&self) -> Ordered {
        let mut blocks = Vec::with_capacity(USUAL_ROOM);
        self.large_blocks().for_each(|at| blocks.push((self.blocks[at].extent(), at)));
        Ordered::new(blocks)
    }

    /// The free blocks with pages to give, those that are free longest first, with their ages.
    pub(super) fn idle_by_age(&self) -> Vec<(u64, At)> {
        let mut blocks = Vec::new();
        self.idle_blocks().for_each(|at| blocks.push((self.blocks[at].freed, at)));
        blocks.sort_unstable();
        blocks
    }

    /// The free blocks with pages to give.
    pub(super) fn idle_blocks(&self) -> impl Iterator<Item = At> {
        self.large_blocks().filter(|&at| 0 < self.active_pages(at))
    }

    /// The free blocks of a page or more whose pages may move.
    fn large_blocks(&self) -> impl Iterator<Item = At> {
        let arenas = self.arenas.indices().filter(|&arena| self.may_move(arena));
        let page = self.table.page_size;
        arenas.flat_map(move |arena| self.arenas[arena].free.all(&self.blocks, page))
    }

    /// How many frames with memory lie wholly in a free block.
    pub(super) fn active_pages(&self, at: At) -> u32 {
        let block = &self.blocks[at];
        self.table.inside_count(block.territory, block.extent()) - block.holes
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::Addr;

    use super::*;

    fn extent(start: u64, end: u64) -> Extent {
        Extent::between(Addr::new(start), Addr::new(end))
    }

    #[test]
    fn a_block_is_found_by_what_lies_in_it() {
        let blocks =
            vec![(extent(20, 30), At(2)), (extent(50, 90), At(3)), (extent(10, 20), At(1))];
        let ordered = Ordered::new(blocks);
        let within = [(12, 14), (20, 30), (18, 22), (40, 45), (60, 61), (10, 20), (0, 5), (85, 95)];
        let found = [Some(1), Some(2), None, None, Some(3), Some(1), None, None];
        let around = within.map(|(start, end)| ordered.around(extent(start, end)));
        assert_eq!(around, found.map(|at| at.map(At)));
        assert_eq!(Ordered::new(Vec::new()).around(extent(1, 2)), None);
    }
}
