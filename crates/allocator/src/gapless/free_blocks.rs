//! Which blocks are free: and how they are cut and merged.

use gapless_units::Extent;

use super::block::State;
use super::books::Books;
use super::names::At;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Enters a free block, already merged, into the books.
    #[inline]
    pub(super) fn put_free(&mut self, at: At) {
        let arena = self.blocks[at].arena;
        self.arenas[arena].free.insert(&mut self.blocks, at);
    }

    /// Takes a free block out of the books.
    #[inline]
    pub(super) fn take_free(&mut self, at: At) {
        let arena = self.blocks[at].arena;
        self.arenas[arena].free.remove(&mut self.blocks, at);
    }

    /// Merges a block that nobody uses, with memory under all of it, with its free neighbors.
    #[inline]
    pub(super) fn merge_free(&mut self, at: At) {
        let at = self.merge(at);
        self.put_free(at);
    }

    /// Makes a block free and lets it and its free neighbors be one, in no book.
    fn merge(&mut self, mut at: At) -> At {
        let block = &mut self.blocks[at];
        block.state = State::Free;
        block.holes = 0;
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

    /// Cuts a part out of a free block for a request; `lacking` of the frames it touches have no
    /// memory. The rest stays free.
    pub(super) fn cut_out(&mut self, at: At, part: Extent, lacking: u32) -> At {
        self.take_free(at);
        let before = part.start() - self.blocks[at].addr;
        // Nothing alive touches a frame without memory: each lies wholly in the free block.
        let holes = self.blocks[at].holes - lacking;
        let taken = if before.is_zero() { at } else { self.blocks.cut(at, before) };
        let rest =
            (part.size() < self.blocks[taken].size).then(|| self.blocks.cut(taken, part.size()));
        let block = &mut self.blocks[taken];
        block.holes = 0;
        block.state = State::Serving;
        self.serving += 1;
        let left = (taken != at).then_some(at);
        let left_holes = match (left, rest) {
            (Some(left), Some(_)) if 0 < holes => self.count_holes(left),
            (Some(_), None) => holes,
            _ => 0,
        };
        for (at, holes) in [(left, left_holes), (rest, holes - left_holes)] {
            if let Some(at) = at {
                self.blocks[at].holes = holes;
                self.put_free(at);
            }
        }
        taken
    }

    /// Puts back what was cut out; some of its frames may lack memory.
    pub(super) fn put_back(&mut self, at: At) {
        self.serving -= 1;
        let block = &self.blocks[at];
        let lacking = self.table.count_lacking(block.territory, block.extent());
        let at = self.merge(at);
        self.blocks[at].holes += lacking;
        self.put_free(at);
    }

    fn count_holes(&self, at: At) -> u32 {
        let block = &self.blocks[at];
        self.table.count_holes(block.territory, block.extent())
    }
}
