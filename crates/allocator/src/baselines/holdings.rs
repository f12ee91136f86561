//! What is held from a device: every call that takes or gives memory, counted and told.

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::{Action, SizePool};
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use super::progress::Progress;
use super::stamp::Stamp;
use crate::observer::{Happening, Observer};
use crate::statistics::Statistics;

/// For whom memory is taken: what an observer is told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
}

/// A device, and what is held of it.
#[derive(Clone, Debug)]
pub struct Holdings<D, O> {
    pub(super) device: D,
    pub(super) observer: O,
    pub(super) statistics: Statistics,
    /// How often a request waited for the device, or gave memory back to try again.
    pub(super) stalls: u64,
    /// How often somebody waited for a stream.
    pub(super) waits: u64,
    reserved: Bytes,
    progress: Progress,
}

impl<D: Device, O: Observer> Holdings<D, O> {
    pub(super) fn new(device: D, observer: O) -> Self {
        Self {
            device,
            observer,
            statistics: Statistics::default(),
            stalls: 0,
            waits: 0,
            reserved: Bytes::ZERO,
            progress: Progress::default(),
        }
    }

    /// All memory held.
    pub(super) fn reserved(&self) -> Bytes {
        self.reserved
    }

    /// What the device would still give, in whole granules.
    pub(super) fn available(&self) -> Bytes {
        self.device.memory().free.round_down(self.device.granule())
    }

    /// Takes a segment with addresses of its own, of whole granules.
    pub(super) fn allocate(
        &mut self,
        size: Bytes,
        kind: SizePool,
        owner: Owner,
    ) -> Result<Extent, DeviceError> {
        let addr = self.device.allocate(size)?;
        self.statistics.segment.increase(kind, 1);
        self.count_taken(size, kind);
        let segment = Extent::between(addr, addr + size);
        self.tell(Action::SegmentAlloc, segment, owner);
        Ok(segment)
    }

    /// Gives back what [`Holdings::allocate`] gave.
    pub(super) fn free(
        &mut self,
        segment: Extent,
        kind: SizePool,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        self.device.free(segment.start())?;
        self.statistics.segment.decrease(kind, 1);
        self.count_given(segment.size(), kind);
        self.tell(Action::SegmentFree, segment, owner);
        Ok(())
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        let handle = self.device.create(size)?;
        self.count_taken(size, SizePool::Large);
        Ok(handle)
    }

    /// Takes memory without an address in so many handles, or none of it. What a failure keeps from
    /// going back is left among the handles.
    pub(super) fn create_all(
        &mut self,
        count: usize,
        size: Bytes,
        handles: &mut Vec<Handle>,
    ) -> Result<(), DeviceError> {
        let (before, free) = (handles.len(), self.available());
        let requested = Bytes::new(size.get().saturating_mul(count as u64));
        if free < requested {
            return Err(DeviceError::OutOfMemory { requested, free });
        }
        while handles.len() < before + count {
            match self.create(size) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    while before < handles.len() {
                        self.release(handles[handles.len() - 1], size)?;
                        handles.pop();
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Gives back a handle of [`Holdings::create_all`], mapped nowhere any more.
    pub(super) fn release(&mut self, handle: Handle, size: Bytes) -> Result<(), DeviceError> {
        self.device.release(handle)?;
        self.count_given(size, SizePool::Large);
        Ok(())
    }

    fn count_taken(&mut self, size: Bytes, kind: SizePool) {
        self.reserved += size;
        self.statistics.reserved_bytes.increase(kind, size.get());
        self.statistics.num_device_alloc += 1;
    }

    fn count_given(&mut self, size: Bytes, kind: SizePool) {
        self.reserved -= size;
        self.statistics.reserved_bytes.decrease(kind, size.get());
        self.statistics.num_device_free += 1;
    }

    /// Tells that memory came under addresses, or went from there.
    pub(super) fn tell(&mut self, action: Action, extent: Extent, owner: Owner) {
        let Owner { stream, pool } = owner;
        let (addr, size) = (extent.start(), extent.size());
        self.observer.observe(Happening { action, addr, size, stream, pool });
    }

    /// Tells that a request failed.
    pub(super) fn tell_failure(&mut self, rounded: Bytes, owner: Owner) -> Bytes {
        let device_free = self.device.memory().free;
        self.statistics.num_ooms += 1;
        let Owner { stream, pool } = owner;
        self.observer.observe(Happening {
            action: Action::OutOfMemory,
            addr: Addr::new(device_free.get()),
            size: rounded,
            stream,
            pool,
        });
        device_free
    }

    /// The stamp of memory that is freed now, having been used on a stream.
    pub(super) fn stamp(&mut self, stream: StreamId) -> Stamp {
        self.progress.stamp(stream)
    }

    /// Whether work on `stream` may use memory with this stamp at once.
    pub(super) fn is_ready(&mut self, stamp: Stamp, stream: StreamId) -> Result<bool, DeviceError> {
        self.progress.is_ready(&mut self.device, stamp, stream)
    }

    /// Whether all work is done that used memory, or addresses, with this stamp.
    pub(super) fn is_done(&mut self, stamp: Stamp) -> Result<bool, DeviceError> {
        self.progress.is_done(&mut self.device, stamp)
    }

    /// Waits for all work but that of `except`, where it is not done; says whether it had to.
    pub(super) fn wait_for_all(&mut self, except: Option<StreamId>) -> Result<bool, DeviceError> {
        let has_waited = self.progress.wait_for_all(&mut self.device, except)?;
        self.waits += u64::from(has_waited);
        Ok(has_waited)
    }

    /// Takes note that the program waited for the whole device.
    pub(super) fn note_all_done(&mut self) {
        self.progress.note_all_done();
    }
}
