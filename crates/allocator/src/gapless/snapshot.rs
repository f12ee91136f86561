//! The allocator's state as a snapshot tells it.

use gapless_trace::{BlockState, FinalBlock, FinalSegment, SizePool, StackId};
use gapless_units::{Addr, Bytes, Extent};

use super::block::State;
use super::books::Books;
use super::names::At;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Every run of frames with memory, as an expandable segment with its blocks, by address.
    pub(super) fn segments(&self) -> Vec<FinalSegment> {
        let mut segments = Vec::new();
        for (index, territory) in self.table.territories() {
            let active = self.table.frames(index).filter(|&frame| self.table.frame(frame).active);
            let active: Vec<_> = active.collect();
            for run in active.chunk_by(|a, b| a.number + 1 == b.number) {
                segments.push(self.segment(self.table.span_of(run), territory.first));
            }
        }
        segments.sort_by_key(|segment| segment.addr);
        segments
    }

    fn segment(&self, extent: Extent, first: At) -> FinalSegment {
        let arena = &self.arenas[self.blocks[first].arena];
        let inside =
            self.blocks.from(first).filter(|&at| self.blocks[at].extent().overlaps(extent));
        let blocks: Vec<FinalBlock> = inside.map(|at| self.final_block(at, extent)).collect();
        let held = blocks.iter().filter(|block| block.state == BlockState::Allocated);
        FinalSegment {
            addr: extent.start(),
            size: extent.size(),
            stream: arena.stream,
            pool: arena.pool,
            size_pool: SizePool::Large,
            expandable: true,
            allocated: Some(held.map(|block| block.size).sum::<Bytes>()),
            stack: StackId::default(),
            blocks,
        }
    }

    /// The part of a block that lies in a segment: all of it, unless it is free.
    fn final_block(&self, at: At, segment: Extent) -> FinalBlock {
        let block = &self.blocks[at];
        let start: Addr = block.addr.max(segment.start());
        let end = block.end().min(segment.end());
        FinalBlock {
            addr: start,
            size: end - start,
            requested: block.requested,
            state: match block.state {
                State::Held => BlockState::Allocated,
                State::Pending => BlockState::PendingFree,
                State::Serving | State::Shelved | State::Free => BlockState::Inactive,
            },
            stack: StackId::default(),
        }
    }
}
