//! Which blocks are free: and how they are cut and merged.

use gapless_units::Extent;

use super::block::State;
use super::books::Books;
use super::names::BlockIndex;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Enters a free block, already merged, into the books.
    #[inline]
    pub(super) fn put_free(&mut self, at: BlockIndex) {
        let arena = self.blocks[at].arena;
        self.arenas[arena].free.insert(&mut self.blocks, at);
    }

    /// Takes a free block out of the books.
    #[inline]
    pub(super) fn take_free(&mut self, at: BlockIndex) {
        let arena = self.blocks[at].arena;
        self.arenas[arena].free.remove(&mut self.blocks, at);
    }

    /// Merges a block that nobody uses, with memory under all of it, with its free neighbors.
    #[inline]
    pub(super) fn merge_free(&mut self, at: BlockIndex) {
        let at = self.merge(at);
        self.put_free(at);
    }

    /// Makes a block free and lets it and its free neighbors be one, in no book.
    fn merge(&mut self, mut at: BlockIndex) -> BlockIndex {
        let block = &mut self.blocks[at];
        block.state = State::Free;
        block.bare = 0;
        let (prev, next) = (block.prev, block.next);
        if self.blocks[next].state == State::Free {
            self.take_free(next);
            self.blocks.absorb_next(at);
        }
        if self.blocks[prev].state == State::Free {
            self.take_free(prev);
            self.blocks.absorb_next(prev);
            at = prev;
        }
        at
    }

    /// Merges everything that lies in the front.
    pub(super) fn clear_front(&mut self) {
        for at in self.front.take_all() {
            self.merge_free(at);
        }
    }

    /// Cuts a part out of a free block for a request; `lacking` of the slots it touches have no
    /// memory. The rest stays free.
    pub(super) fn cut_out(&mut self, at: BlockIndex, part: Extent, lacking: u32) -> BlockIndex {
        self.take_free(at);
        let before = part.start() - self.blocks[at].addr;
        // Nothing alive touches a slot without memory: each lies wholly in the free block.
        let bare = self.blocks[at].bare - lacking;
        let taken = if before.is_zero() { at } else { self.blocks.cut(at, before) };
        let rest =
            (part.size() < self.blocks[taken].size).then(|| self.blocks.cut(taken, part.size()));
        self.blocks[taken].bare = 0;
        self.begin_serving(taken);
        let left = (taken != at).then_some(at);
        let left_bare = match (left, rest) {
            (Some(left), Some(_)) if 0 < bare => self.count_bare(left),
            (Some(_), None) => bare,
            _ => 0,
        };
        for (at, bare) in [(left, left_bare), (rest, bare - left_bare)] {
            if let Some(at) = at {
                self.blocks[at].bare = bare;
                self.put_free(at);
            }
        }
        taken
    }

    /// Takes a block in hand that is in no book of free ones, and under which slots may lack memory.
    pub(super) fn begin_serving(&mut self, at: BlockIndex) {
        self.blocks[at].state = State::Serving;
        self.serving += 1;
    }

    /// Lets go of a block that was in hand.
    pub(super) fn end_serving(&mut self, at: BlockIndex) {
        debug_assert_eq!(self.blocks[at].state, State::Serving, "{at:?} is not in hand");
        self.serving -= 1;
    }

    /// Puts back what was cut out; some of its slots may lack memory.
    pub(super) fn put_back(&mut self, at: BlockIndex) {
        self.end_serving(at);
        let block = &self.blocks[at];
        let lacking = self.table.count_lacking(block.reservation, block.extent());
        let at = self.merge(at);
        self.blocks[at].bare += lacking;
        self.put_free(at);
    }

    fn count_bare(&self, at: BlockIndex) -> u32 {
        let block = &self.blocks[at];
        self.table.count_bare(block.reservation, block.extent())
    }
}
