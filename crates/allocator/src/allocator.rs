//! What every allocator can be asked, whatever its policy.

use std::fmt::Debug;

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use crate::failure::{AllocationError, FreeError};
use crate::statistics::Statistics;

/// An allocator over a device.
pub trait Allocator {
    /// The device it takes memory from.
    type Device: Device;
    /// What it calls a block in the program's hands.
    type Block: Copy + Debug;

    /// The device.
    fn device(&self) -> &Self::Device;

    /// The device, to drive a simulated one.
    fn device_mut(&mut self) -> &mut Self::Device;

    /// A block of at least `size` bytes for work on `stream`, from `pool`. Fails where memory runs out after
    /// all was tried that the allocator tries, or where the device fails.
    fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Self::Block, AllocationError>;

    /// Takes a block back. It is free again once every stream that used it is done. Fails for a block that
    /// is not the program's, or where the device fails; the program has it as before then.
    fn free(&mut self, block: Self::Block) -> Result<(), FreeError>;

    /// Tells that work queued on `stream` so far uses the block, besides its own stream. Fails for a block
    /// that is not the program's.
    fn record_stream(&mut self, block: Self::Block, stream: StreamId) -> Result<(), FreeError>;

    /// Frees what waited for work that is done by now. Fails where the device does.
    fn process_events(&mut self) -> Result<(), DeviceError>;

    /// Gives everything back to the device that can be given back; may wait for it. Fails where the device
    /// does; what it had taken by then is given back.
    fn empty_cache(&mut self) -> Result<(), DeviceError>;

    /// Tells that the program waited for all work of the device. Most do nothing then. Fails where the device
    /// does.
    fn note_synchronized(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Where a block lies, and how large it is: at least as asked for.
    fn extent(&self, block: Self::Block) -> Option<Extent>;

    /// Bytes held from the device.
    fn reserved(&self) -> Bytes;

    /// What it counts, under PyTorch's names.
    fn statistics(&self) -> Statistics;

    /// How many requests waited for the device: for an event, a stream, or by giving memory back with a
    /// call that waits.
    fn stalls(&self) -> u64;
}
