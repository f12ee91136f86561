//! Blocks: what segments and reservations are cut into, side by side.
//!
//! ```text
//!   segment    |  held  |    free    | held |  unmapped  |
//!   links      4 <──────> 9 <────────> 2 <──────> 7
//! ```

use std::ops::{Index, IndexMut};

use gapless_units::{Addr, Bytes, Extent};

use super::names::BlockIndex;
use super::stamp::Stamp;

/// Who has a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The program, or another stream whose work is not yet done.
    Held,
    /// Nobody; it has memory.
    Free,
    /// Nobody; it has no memory.
    Unmapped,
    /// Nobody; its memory moved away, and its addresses wait to be unmapped.
    Leaving,
}

/// A piece of a segment.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) addr: Addr,
    pub(super) size: Bytes,
    pub(super) state: State,
    /// Which work may still use it, where it is not held.
    pub(super) stamp: Stamp,
    /// Its segment, by its owner's own count.
    pub(super) segment: u32,
    prev: BlockIndex,
    next: BlockIndex,
}

impl Block {
    pub(super) fn end(&self) -> Addr {
        self.addr + self.size
    }

    pub(super) fn extent(&self) -> Extent {
        Extent::between(self.addr, self.end())
    }
}

/// What a block was cut into: a part, and what lay left and right of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) left: Option<BlockIndex>,
    pub(super) part: BlockIndex,
    pub(super) right: Option<BlockIndex>,
}

/// The neighbors that a block is to be one with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joining {
    pub(super) prev: Option<BlockIndex>,
    pub(super) next: Option<BlockIndex>,
}

impl Joining {
    pub(super) fn each(self) -> impl Iterator<Item = BlockIndex> {
        [self.prev, self.next].into_iter().flatten()
    }
}

/// All blocks of a policy. Places are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    vacant: Vec<BlockIndex>,
}

impl Blocks {
    /// A block that is all of a segment.
    pub(super) fn add(&mut self, extent: Extent, state: State, segment: u32) -> BlockIndex {
        let (addr, size) = (extent.start(), extent.size());
        let (prev, next) = (BlockIndex::NONE, BlockIndex::NONE);
        self.put(Block { addr, size, state, stamp: Stamp::UNUSED, segment, prev, next })
    }

    fn put(&mut self, block: Block) -> BlockIndex {
        if let Some(at) = self.vacant.pop() {
            self[at] = block;
            return at;
        }
        let at = BlockIndex(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX));
        self.blocks.push(block);
        at
    }

    /// Cuts a block in two; the part from `size` on is a new block behind it, alike but for its
    /// extent.
    pub(super) fn cut(&mut self, at: BlockIndex, size: Bytes) -> BlockIndex {
        let block = &self[at];
        let rest =
            Block { addr: block.addr + size, size: block.size - size, prev: at, ..block.clone() };
        let behind = rest.next;
        let rest = self.put(rest);
        if let Some(behind) = behind.some() {
            self[behind].prev = rest;
        }
        let block = &mut self[at];
        block.size = size;
        block.next = rest;
        rest
    }

    /// Cuts a part out of a block that contains it.
    pub(super) fn cut_out(&mut self, at: BlockIndex, part: Extent) -> Cut {
        let before = part.start() - self[at].addr;
        let middle = if before.is_zero() { at } else { self.cut(at, before) };
        let right = (part.size() < self[middle].size).then(|| self.cut(middle, part.size()));
        Cut { left: (middle != at).then_some(at), part: middle, right }
    }

    /// Lets a block take in the one right behind it.
    pub(super) fn absorb_next(&mut self, at: BlockIndex) {
        let next = self[at].next;
        let Block { size, stamp, next: behind, .. } = self[next];
        let block = &mut self[at];
        block.size += size;
        block.stamp = block.stamp.and(stamp);
        block.next = behind;
        if let Some(behind) = behind.some() {
            self[behind].prev = at;
        }
        self.vacant.push(next);
    }

    /// The neighbors in a block's state that `may` be one with it.
    pub(super) fn joining(&self, at: BlockIndex, may: fn(&Block, &Block) -> bool) -> Joining {
        let joins = |&other: &BlockIndex| {
            self[at].state == self[other].state && may(&self[at], &self[other])
        };
        Joining { prev: self.prev(at).filter(joins), next: self.next(at).filter(joins) }
    }

    /// Makes a block one with its neighbors; answers where it is then.
    pub(super) fn join(&mut self, at: BlockIndex, joining: Joining) -> BlockIndex {
        if joining.next.is_some() {
            self.absorb_next(at);
        }
        if let Some(prev) = joining.prev {
            self.absorb_next(prev);
        }
        joining.prev.unwrap_or(at)
    }

    /// Forgets a block that is all of a segment that is gone.
    pub(super) fn remove(&mut self, at: BlockIndex) {
        self.vacant.push(at);
    }

    pub(super) fn prev(&self, at: BlockIndex) -> Option<BlockIndex> {
        self[at].prev.some()
    }

    pub(super) fn next(&self, at: BlockIndex) -> Option<BlockIndex> {
        self[at].next.some()
    }

    /// Whether a block is all of its segment.
    pub(super) fn is_alone(&self, at: BlockIndex) -> bool {
        self[at].prev == BlockIndex::NONE && self[at].next == BlockIndex::NONE
    }

    /// Every block there is, in no order that means anything.
    pub(super) fn all(&self) -> impl Iterator<Item = BlockIndex> {
        let mut vacant = self.vacant.clone();
        vacant.sort_unstable();
        let count = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        (0..count).map(BlockIndex).filter(move |at| vacant.binary_search(at).is_err())
    }
}

impl Index<BlockIndex> for Blocks {
    type Output = Block;

    fn index(&self, at: BlockIndex) -> &Block {
        &self.blocks[at.index()]
    }
}

impl IndexMut<BlockIndex> for Blocks {
    fn index_mut(&mut self, at: BlockIndex) -> &mut Block {
        &mut self.blocks[at.index()]
    }
}

impl Blocks {
    /// What is wrong with the links, where something is: neighbors touch and are alike in segment,
    /// and no two of them should be one.
    pub(super) fn check(&self, should_be_one: fn(&Block, &Block) -> bool) -> Result<(), String> {
        for at in self.all() {
            let block = &self[at];
            if block.size.is_zero() {
                return Err(format!("{at:?} is empty"));
            }
            let Some(next) = self.next(at) else { continue };
            if self.prev(next) != Some(at) || self[next].addr != block.end() {
                return Err(format!("{next:?} does not follow {at:?}"));
            }
            if should_be_one(block, &self[next]) {
                return Err(format!("{at:?} and {next:?} should be one"));
            }
        }
        Ok(())
    }
}
