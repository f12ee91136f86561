//! The two ways to the allocator, as the shadow uses them: one owner, and threads with fronts.

use std::fmt::Debug;

use gapless_allocator::BrokenInvariant;
use gapless_allocator::SharedBlock;
use gapless_allocator::{
    AllocationError, Allocator, BlockId, FreeError, GaplessAllocator, PageSize, SharedAllocator,
    Slack, Statistics, ThreadFront,
};
use gapless_device::{DeviceError, Faulty, Locked};
use gapless_trace::FinalSegment;
use gapless_units::{Bytes, DeviceId, Extent, PoolId, StreamId};

use crate::watched::Watched;

pub(crate) type TestDevice = Locked<Faulty<Watched>>;

/// An allocator that a program uses in one thread.
pub(crate) trait Subject: Debug + Sized {
    type Block: Debug;

    /// Whether a stream may end while blocks are held that were used on it.
    const STREAMS_END_AT_ANY_TIME: bool;
    /// Whether its segments tell what was asked for last in each block.
    const TELLS_REQUESTS: bool;

    fn new(device: TestDevice, page: PageSize, slack: Slack) -> Self;
    fn allocate(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Self::Block, AllocationError>;
    fn extent(&self, block: &Self::Block) -> Option<Extent>;
    /// Where that fails, the program has the block as before.
    fn free(&mut self, block: Self::Block) -> Result<(), (Self::Block, FreeError)>;
    /// Frees the block once more that was freed last, if there is a way.
    fn free_twice(&mut self) -> Result<(), FreeError>;
    fn record_stream(&mut self, block: &mut Self::Block, stream: StreamId)
    -> Result<(), FreeError>;
    fn pin(&mut self, block: &Self::Block) -> Result<Extent, FreeError>;
    fn unpin(&mut self, pinned: Extent) -> bool;
    fn trim(&mut self, keep: Bytes) -> Result<(), DeviceError>;
    fn process_events(&mut self) -> Result<(), DeviceError>;
    fn end_pool(&mut self, pool: PoolId);
    fn end_stream(&mut self, stream: StreamId) -> Result<(), DeviceError>;
    fn begin_capture(&mut self);
    fn end_capture(&mut self) -> Result<(), DeviceError>;
    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError>;
    fn set_slack(&mut self, slack: Slack);
    fn reserved(&self) -> Bytes;
    /// Bytes of blocks that are held or still used, where it tells.
    fn live(&self) -> Option<Bytes>;
    fn statistics(&self) -> Statistics;
    /// Empties fronts, where there are some.
    fn segments(&mut self) -> Vec<FinalSegment>;
    fn check_invariants(&self) -> Result<(), BrokenInvariant>;
}

/// What both allocators are asked in the same words.
macro_rules! asked_alike {
    () => {
        fn unpin(&mut self, pinned: Extent) -> bool {
            self.allocator.unpin(pinned)
        }

        fn trim(&mut self, keep: Bytes) -> Result<(), DeviceError> {
            self.allocator.trim(keep)
        }

        fn process_events(&mut self) -> Result<(), DeviceError> {
            self.allocator.process_events()
        }

        fn end_pool(&mut self, pool: PoolId) {
            self.allocator.end_pool(pool);
        }

        fn end_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
            self.allocator.end_stream(stream)
        }

        fn begin_capture(&mut self) {
            self.allocator.begin_capture();
        }

        fn end_capture(&mut self) -> Result<(), DeviceError> {
            self.allocator.end_capture()
        }

        fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
            self.allocator.enable_peer_access(peer)
        }

        fn set_slack(&mut self, slack: Slack) {
            self.allocator.set_slack(slack);
        }

        fn reserved(&self) -> Bytes {
            self.allocator.reserved()
        }

        fn statistics(&self) -> Statistics {
            self.allocator.statistics()
        }

        fn segments(&mut self) -> Vec<FinalSegment> {
            self.allocator.segments()
        }

        fn check_invariants(&self) -> Result<(), BrokenInvariant> {
            self.allocator.check_invariants()
        }
    };
}

/// One owner.
#[derive(Debug)]
pub(crate) struct Alone {
    allocator: GaplessAllocator<TestDevice>,
    freed_last: Option<BlockId>,
}

impl Subject for Alone {
    type Block = BlockId;

    const STREAMS_END_AT_ANY_TIME: bool = true;
    const TELLS_REQUESTS: bool = true;

    fn new(device: TestDevice, page: PageSize, slack: Slack) -> Self {
        let allocator = GaplessAllocator::with_pages(device, page, slack, ());
        Self { allocator, freed_last: None }
    }

    fn allocate(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        self.allocator.allocate_in(pool, size, stream)
    }

    fn extent(&self, block: &BlockId) -> Option<Extent> {
        self.allocator.extent(*block)
    }

    fn free(&mut self, block: BlockId) -> Result<(), (BlockId, FreeError)> {
        self.allocator.free(block).map_err(|error| (block, error))?;
        self.freed_last = Some(block);
        Ok(())
    }

    fn free_twice(&mut self) -> Result<(), FreeError> {
        self.freed_last.map_or(Err(FreeError::NotAllocated), |block| self.allocator.free(block))
    }

    fn record_stream(&mut self, block: &mut BlockId, stream: StreamId) -> Result<(), FreeError> {
        self.allocator.record_stream(*block, stream)
    }

    fn pin(&mut self, block: &BlockId) -> Result<Extent, FreeError> {
        self.allocator.pin(*block)
    }

    fn live(&self) -> Option<Bytes> {
        Some(self.allocator.live())
    }

    asked_alike!();
}

/// The shared allocator, whose two fronts take turns.
#[derive(Debug)]
pub(crate) struct Shared {
    allocator: SharedAllocator<TestDevice>,
    fronts: [ThreadFront<TestDevice>; 2],
    turn: usize,
}

/// How many requests and frees a front has in a row.
const IN_A_ROW: usize = 5;

impl Shared {
    fn front(&mut self) -> &mut ThreadFront<TestDevice> {
        self.turn += 1;
        &mut self.fronts[self.turn / IN_A_ROW % 2]
    }
}

impl Subject for Shared {
    type Block = SharedBlock;

    const STREAMS_END_AT_ANY_TIME: bool = false;
    const TELLS_REQUESTS: bool = false;

    fn new(device: TestDevice, page: PageSize, slack: Slack) -> Self {
        let allocator = SharedAllocator::with_pages(device, page, slack, ());
        let fronts = [allocator.front(), allocator.front()];
        Self { allocator, fronts, turn: 0 }
    }

    fn allocate(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<SharedBlock, AllocationError> {
        self.front().allocate_in(pool, size, stream)
    }

    fn extent(&self, block: &SharedBlock) -> Option<Extent> {
        Some(block.extent())
    }

    fn free(&mut self, block: SharedBlock) -> Result<(), (SharedBlock, FreeError)> {
        self.front().free(block).map_err(|error| (error.block, error.reason))
    }

    fn free_twice(&mut self) -> Result<(), FreeError> {
        // A block that was given back is no longer there.
        Err(FreeError::NotAllocated)
    }

    fn record_stream(
        &mut self,
        block: &mut SharedBlock,
        stream: StreamId,
    ) -> Result<(), FreeError> {
        block.record_stream(stream);
        Ok(())
    }

    fn pin(&mut self, block: &SharedBlock) -> Result<Extent, FreeError> {
        self.allocator.pin(block)
    }

    fn live(&self) -> Option<Bytes> {
        None
    }

    asked_alike!();
}
