//! PyTorch's allocator, asked like any other.

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use super::CachingAllocator;
use super::names::BlockId;
use super::request::{Found, Request};
use crate::allocator::Allocator;
use crate::failure::{AllocationError, FreeError};
use crate::observer::Observer;
use crate::statistics::Statistics;

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// A block from the device; counts the request where it stopped the device, which every
    /// `cudaFree` does and every wait for the streams.
    pub(super) fn acquire_counted(&mut self, request: &Request) -> Result<Found, AllocationError> {
        let waits = |of: &Statistics| of.num_device_free + of.num_sync_all_streams;
        let before = waits(&self.statistics);
        let answer = self.acquire(request);
        self.stalls += u64::from(before < waits(&self.statistics));
        answer
    }
}

impl<D: Device, O: Observer> Allocator for CachingAllocator<D, O> {
    type Device = D;
    type Block = BlockId;

    fn device(&self) -> &D {
        self.device()
    }

    fn device_mut(&mut self) -> &mut D {
        self.device_mut()
    }

    fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        self.allocate_in(pool, size, stream)
    }

    fn free(&mut self, block: BlockId) -> Result<(), FreeError> {
        self.free(block)
    }

    fn record_stream(&mut self, block: BlockId, stream: StreamId) -> Result<(), FreeError> {
        self.record_stream(block, stream)
    }

    fn process_events(&mut self) -> Result<(), DeviceError> {
        self.process_events()
    }

    fn empty_cache(&mut self) -> Result<(), DeviceError> {
        self.empty_cache()
    }

    fn extent(&self, block: BlockId) -> Option<Extent> {
        self.extent(block)
    }

    fn reserved(&self) -> Bytes {
        self.reserved()
    }

    fn statistics(&self) -> Statistics {
        *self.statistics()
    }

    fn stalls(&self) -> u64 {
        self.stalls
    }
}
