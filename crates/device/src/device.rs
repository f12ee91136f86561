//! The seam between an allocator and memory.

use gapless_units::{Addr, Bytes, DeviceId, Extent, StreamId};

/// Physical memory of a device, not yet or no longer bound to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// A point in a stream's queue of work that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// What a device has, and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// What it would still give.
    pub free: Bytes,
    /// All it has.
    pub total: Bytes,
}

/// Why a device did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// It has not that much memory left.
    #[error("the device has {free} left of the {requested} asked for")]
    OutOfMemory {
        /// What was asked for.
        requested: Bytes,
        /// What it has.
        free: Bytes,
    },
    /// It has not that many addresses left.
    #[error("the device has no range of {requested} addresses left")]
    OutOfAddresses {
        /// What was asked for.
        requested: Bytes,
    },
    /// It keeps no more mappings, and may not even be able to cut one in two.
    #[error("{call}: the device keeps no more mappings")]
    OutOfMappings {
        /// The call.
        call: &'static str,
    },
    /// The call makes no sense: a wrong address, size or handle.
    #[error("{call}: {reason}")]
    Invalid {
        /// The call.
        call: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The driver failed for a reason of its own; nothing more can be expected of it.
    #[error("{call}: the driver says {reason}")]
    Driver {
        /// The call.
        call: &'static str,
        /// Its words.
        reason: String,
    },
}

/// What a device can do.
///
/// Sizes of virtual memory calls are multiples of [`Device::granule`], as are their addresses.
/// A call that fails has no effect, but for an unmap of a range with gaps. An allocator that moves
/// memory maps a handle at several addresses at once, which then show the same bytes; `suite::check`
/// tries what is expected here on a device of yours, as far as that needs no work on streams. Calls
/// come from any thread that uses the allocator. Which error a call gives matters: an allocator gives
/// memory back for [`DeviceError::OutOfMemory`] and asks again with less, and does other things for want
/// of addresses or mappings; a driver may call all three by one name. Work that uses memory is queued on
/// streams; before memory is freed, unmapped or handed to another stream, the caller makes sure that
/// such work is done, by an event or by waiting for the stream.
pub trait Device {
    /// What the device has and what is left.
    fn memory(&self) -> MemoryInfo;

    /// The smallest size that can be mapped.
    fn granule(&self) -> Bytes;

    /// How much memory is best created, mapped and moved as one: a granule, or a power of two of them
    /// where calls take as long for more. What is lost in parts of it should be little beside all that
    /// the device has.
    fn page(&self) -> Bytes {
        self.granule()
    }

    /// How many mappings to stay below at all times, as far as that is known: beyond, calls that make
    /// or take away one may fail with [`DeviceError::OutOfMappings`].
    fn mapping_limit(&self) -> u64 {
        u64::MAX
    }

    /// Takes `size` bytes of memory with an address of their own (`cudaMalloc`), or fails with
    /// [`DeviceError::OutOfMemory`] where there is not so much.
    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError>;

    /// Gives back what [`Device::allocate`] gave at `addr` (`cudaFree`). May wait for the device.
    fn free(&mut self, addr: Addr) -> Result<(), DeviceError>;

    /// Takes a range of addresses without memory (`cuMemAddressReserve`), or fails with
    /// [`DeviceError::OutOfAddresses`].
    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError>;

    /// Gives back a range of addresses under which nothing is mapped (`cuMemAddressFree`).
    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError>;

    /// Takes physical memory without an address (`cuMemCreate`), or fails with
    /// [`DeviceError::OutOfMemory`].
    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError>;

    /// Gives up a handle (`cuMemRelease`); its memory goes back once nothing maps it.
    fn release(&mut self, handle: Handle) -> Result<(), DeviceError>;

    /// Puts all of a handle at `addr` of a reservation (`cuMemMap`). The bytes are accessible
    /// after [`Device::set_access`]. Fails with [`DeviceError::OutOfMappings`] where there are too many.
    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError>;

    /// Lets the device and its peers read and write `range`, which is mapped throughout by handles of
    /// which none sticks out of it (`cuMemSetAccess`). Fails with [`DeviceError::OutOfMappings`] where a
    /// driver finds out only here that there are too many.
    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError>;

    /// Takes all handles away that are mapped in `range`, which lies in one reservation and out of
    /// which none of them sticks (`cuMemUnmap`). What of it is mapped throughout goes as one; where a part
    /// behind a gap cannot go, the parts before are gone.
    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError>;

    /// Lets another device of the process use what [`Device::set_access`] is called for from now on: a
    /// further entry in the list of `cuMemSetAccess`. What it was called for before has to be opened again.
    /// Saying it twice changes nothing. A device that has no peers refuses.
    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        let _ = peer;
        let (call, reason) = ("enable peer access", "the device has no peers");
        Err(DeviceError::Invalid { call, reason })
    }

    /// Refuses a stream that the device's own books say there is none of. No driver is called.
    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        let _ = stream;
        Ok(())
    }

    /// Marks the end of the work queued on `stream` so far (`cudaEventRecord`). A driver may wait first until
    /// there is room in the stream's queue. Events of a stream are complete in the order in which they were
    /// recorded, whichever thread did.
    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError>;

    /// Whether the work before `event` is done (`cudaEventQuery`).
    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError>;

    /// Waits until the work before `event` is done (`cudaEventSynchronize`).
    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError>;

    /// Forgets `event` (`cudaEventDestroy`).
    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError>;

    /// Waits until all work queued on `stream` is done (`cudaStreamSynchronize`).
    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError>;
}

/// A device whose clones are the same device, for several threads to use at once.
pub trait SharedDevice: Device + Clone {}
