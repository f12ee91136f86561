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

/// Room that is made at first: enough for most programs.
const USUAL_ROOM: usize = 128;

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
        let mut blocks = Vec::with_capacity(USUAL_ROOM);
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
            vec![(extent(10, 20), At(1)), (extent(20, 30), At(2)), (extent(50, 90), At(3))];
        let idle = Idle { blocks, latest: Cell::new(0) };
        let within = [(12, 14), (20, 30), (18, 22), (40, 45), (60, 61), (10, 20), (0, 5), (85, 95)];
        let found = [Some(1), Some(2), None, None, Some(3), Some(1), None, None];
        let around = within.map(|(start, end)| idle.around(extent(start, end)));
        assert_eq!(around, found.map(|at| at.map(At)));
        let sorted = [(0, 4), (10, 14), (16, 20), (18, 22), (26, 30), (40, 44), (55, 59), (86, 90)];
        let each = idle.around_each(sorted.map(|(start, end)| extent(start, end)).into_iter());
        let each: Vec<At> = each.map(|(at, _)| at).collect();
        assert_eq!(each, [At(1), At(1), At(2), At(3), At(3)]);
        let none = Idle { blocks: Vec::new(), latest: Cell::new(0) };
        assert_eq!(none.around(extent(1, 2)), None);
        assert_eq!(none.around_each([extent(1, 2)].into_iter()).count(), 0);
    }
}
