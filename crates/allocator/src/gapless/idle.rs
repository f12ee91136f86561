//! Free blocks that may have whole pages to give, as they are at one instant: by age, and by
//! address.
//!
//! They are looked for when pages are short, which costs a walk over the free blocks of a page or
//! more. Keeping them in order all the time would cost every request more than that.

use std::cell::Cell;

use gapless_units::Extent;

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

/// As many free blocks of a page or more as there mostly are at most.
const USUAL_COUNT: usize = 128;

/// Free blocks of a page or more whose pages may move.
#[derive(Debug)]
pub(super) struct Idle {
    /// Each with its extent, in the order of addresses.
    blocks: Vec<(Extent, At)>,
    /// The place of the one found last: pages that were mapped together lie together.
    latest: Cell<usize>,
}

impl Idle {
    /// The block that an extent lies in.
    pub(super) fn around(&self, extent: Extent) -> Option<At> {
        let begins_before = |place: usize| {
            self.blocks.get(place).is_some_and(|(block, _)| block.start() <= extent.start())
        };
        let latest = self.latest.get();
        if !begins_before(latest) || begins_before(latest + 1) {
            let behind = self.blocks.partition_point(|(block, _)| block.start() <= extent.start());
            self.latest.set(behind.checked_sub(1)?);
        }
        let (block, at) = self.blocks[self.latest.get()];
        block.contains(extent).then_some(at)
    }

    /// The blocks that extents of one size lie in, which come in the order of addresses.
    pub(super) fn around_each(
        &self,
        extents: impl Iterator<Item = Extent>,
    ) -> impl Iterator<Item = (At, Extent)> {
        let mut rest = self.blocks.as_slice();
        extents.filter_map(move |extent| {
            while let [(block, _), behind @ ..] = rest
                && block.end() < extent.end()
            {
                rest = behind;
            }
            let &(block, at) = rest.first()?;
            block.contains(extent).then_some((at, extent))
        })
    }
}

impl<O: Observer> Books<O> {
    /// The free blocks of a page or more, to be found by address.
    pub(super) fn idle(&self) -> Idle {
        let mut blocks = Vec::with_capacity(USUAL_COUNT);
        self.large_blocks().for_each(|at| blocks.push((self.blocks[at].extent(), at)));
        blocks.sort_unstable_by_key(|(block, _)| block.start());
        Idle { blocks, latest: Cell::new(0) }
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
