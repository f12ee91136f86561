//! The allocator's state as PyTorch's snapshot tells it.

use gapless_device::Device;
use gapless_trace::{BlockState, FinalBlock, FinalSegment, StackId};
use gapless_units::Bytes;

use super::CachingAllocator;
use super::block::Block;
use super::names::Slot;
use crate::observer::Observer;

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// Every segment with its blocks, by address; each contiguous mapped range of an expandable
    /// segment is one.
    pub fn segments(&self) -> Vec<FinalSegment> {
        let mut segments = Vec::new();
        for first in self.blocks.first_of_segments() {
            self.add_segments(first, &mut segments);
        }
        segments.sort_by_key(|segment| segment.addr);
        segments
    }

    fn add_segments(&self, first: Slot, segments: &mut Vec<FinalSegment>) {
        let blocks: Vec<&Block> = self.blocks.from(first).collect();
        for mapped in blocks.chunk_by(|a, b| a.mapped == b.mapped) {
            if !mapped[0].mapped {
                continue;
            }
            let pool = &self.pools[mapped[0].pool.0 as usize];
            let held = mapped.iter().filter(|block| block.allocated);
            segments.push(FinalSegment {
                addr: mapped[0].addr,
                size: mapped.iter().map(|block| block.size).sum(),
                stream: mapped[0].stream,
                pool: self.pool_id(mapped[0].pool),
                size_pool: pool.kind,
                expandable: mapped[0].segment.is_some(),
                allocated: Some(held.map(|block| block.size).sum::<Bytes>()),
                stack: StackId::default(),
                blocks: mapped.iter().map(|block| final_block(block)).collect(),
                pinned: Vec::new(),
            });
        }
    }
}

fn final_block(block: &Block) -> FinalBlock {
    let state = if block.allocated {
        BlockState::Allocated
    } else if block.is_usable() {
        BlockState::Inactive
    } else {
        BlockState::PendingFree
    };
    FinalBlock {
        addr: block.addr,
        size: block.size,
        requested: block.requested,
        state,
        stack: StackId::default(),
    }
}
