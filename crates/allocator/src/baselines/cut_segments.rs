//! Segments cut into blocks that merge again: what differs is how a free block is found.

use std::collections::BTreeSet;

use gapless_device::{Device, DeviceError};
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::blocks::{Block, Blocks, State};
use super::holdings::Holdings;
use super::names::BlockIndex;
use super::stamp::Stamp;
use crate::observer::Observer;

/// Where free blocks are kept to be found again.
pub(super) trait FreeIndex: Default {
    fn insert(&mut self, at: BlockIndex, size: Bytes, addr: Addr);

    fn remove(&mut self, at: BlockIndex, size: Bytes, addr: Addr);

    /// Blocks of at least this size, the one to take first.
    fn candidates(&self, size: Bytes) -> impl Iterator<Item = BlockIndex>;
}

/// Free blocks by size and then by address: the smallest that is large enough comes first.
#[derive(Clone, Debug, Default)]
pub(super) struct BySize(BTreeSet<(Bytes, Addr, BlockIndex)>);

impl FreeIndex for BySize {
    fn insert(&mut self, at: BlockIndex, size: Bytes, addr: Addr) {
        self.0.insert((size, addr, at));
    }

    fn remove(&mut self, at: BlockIndex, size: Bytes, addr: Addr) {
        self.0.remove(&(size, addr, at));
    }

    fn candidates(&self, size: Bytes) -> impl Iterator<Item = BlockIndex> {
        let least = (size, Addr::default(), BlockIndex(0));
        self.0.range(least..).map(|&(_, _, at)| at)
    }
}

/// Segments, and the blocks that they are cut into. Streams share them: a free block goes to
/// another stream when the work that used it is done.
#[derive(Clone, Debug, Default)]
pub(super) struct CutSegments<I> {
    blocks: Blocks,
    index: I,
    /// Segments that are one free block, by address.
    whole: BTreeSet<(Addr, BlockIndex)>,
}

impl<I: FreeIndex> CutSegments<I> {
    /// Takes in a segment that nobody used yet.
    pub(super) fn add(&mut self, segment: Extent) -> BlockIndex {
        let at = self.blocks.add(segment, State::Free, 0);
        self.enter(at);
        at
    }

    /// The free block that a request of `size` on `stream` gets, where there is one.
    pub(super) fn find<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Option<BlockIndex>, DeviceError> {
        for at in self.index.candidates(size) {
            if holdings.is_ready(self.blocks[at].stamp, stream)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Hands out the first `size` bytes of a free block; the rest stays free.
    pub(super) fn hand_out(&mut self, at: BlockIndex, size: Bytes) -> BlockIndex {
        self.leave(at);
        if size < self.blocks[at].size {
            let rest = self.blocks.cut(at, size);
            self.enter(rest);
        }
        self.blocks[at].state = State::Held;
        at
    }

    /// Takes a block back and merges it with its free neighbors.
    pub(super) fn take_back(&mut self, at: BlockIndex, stamp: Stamp) {
        self.blocks[at].state = State::Free;
        self.blocks[at].stamp = stamp;
        let joining = self.blocks.joining(at, |_, _| true);
        joining.each().for_each(|other| self.leave(other));
        let at = self.blocks.join(at, joining);
        self.enter(at);
    }

    /// Forgets a segment that is one free block.
    pub(super) fn remove(&mut self, at: BlockIndex) {
        self.leave(at);
        self.blocks.remove(at);
    }

    /// The segments that are one free block, by address.
    pub(super) fn whole_segments(&self) -> Vec<BlockIndex> {
        self.whole.iter().map(|&(_, at)| at).collect()
    }

    pub(super) fn block(&self, at: BlockIndex) -> &Block {
        &self.blocks[at]
    }

    fn is_free(&self, at: BlockIndex) -> bool {
        self.blocks[at].state == State::Free
    }

    fn enter(&mut self, at: BlockIndex) {
        let Block { size, addr, .. } = self.blocks[at];
        self.index.insert(at, size, addr);
        if self.blocks.is_alone(at) {
            self.whole.insert((addr, at));
        }
    }

    fn leave(&mut self, at: BlockIndex) {
        let Block { size, addr, .. } = self.blocks[at];
        self.index.remove(at, size, addr);
        if self.blocks.is_alone(at) {
            self.whole.remove(&(addr, at));
        }
    }

    /// What is wrong with the books, where something is.
    pub(super) fn check(&self) -> Result<(), String> {
        self.blocks.check(|one, other| one.state == State::Free && other.state == State::Free)?;
        let free = self.blocks.all().filter(|&at| self.is_free(at)).count();
        let indexed = self.index.candidates(Bytes::ZERO).count();
        let alone = |&at: &BlockIndex| self.is_free(at) && self.blocks.is_alone(at);
        if free != indexed || self.blocks.all().filter(alone).count() != self.whole.len() {
            return Err(format!("{free} blocks are free, the index knows {indexed}"));
        }
        Ok(())
    }
}
