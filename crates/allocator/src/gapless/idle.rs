//! Free blocks that may have whole pages to give, as they are at one instant: by age, and by
//! address.
//!
//! They are looked for when pages are short, which costs a walk over the free blocks of a page or
//! more. Keeping them in order all the time would cost every request more than that.

use std::cell::Cell;

use gapless_units::{Addr, Extent};

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

/// Free blocks of a page or more whose pages may move.
#[derive(Debug)]
pub(super) struct Idle {
    /// Each with its address, in the order of addresses.
    blocks: Vec<(Addr, At)>,
    /// The place of the one found last: pages that were mapped together lie together.
    latest: Cell<usize>,
}

impl Idle {
    /// The block that begins last at or before an extent.
    pub(super) fn at_or_before(&self, extent: Extent) -> Option<At> {
        let is_at_or_before =
            |place: usize| self.blocks.get(place).is_some_and(|&(addr, _)| addr <= extent.start());
        let latest = self.latest.get();
        if !is_at_or_before(latest) || is_at_or_before(latest + 1) {
            let behind = self.blocks.partition_point(|&(addr, _)| addr <= extent.start());
            self.latest.set(behind.checked_sub(1)?);
        }
        Some(self.blocks[self.latest.get()].1)
    }
}

impl<O: Observer> Books<O> {
    /// The free blocks of a page or more, to be found by address.
    pub(super) fn idle(&self) -> Idle {
        let mut blocks = Vec::new();
        self.large_blocks().for_each(|at| blocks.push((self.blocks[at].addr, at)));
        blocks.sort_unstable();
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
