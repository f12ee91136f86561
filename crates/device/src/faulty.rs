//! A device whose calls fail where a test wants them to.

use std::ops::Range;

use gapless_units::{Addr, Bytes, DeviceId, Extent, StreamId};

use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo};

/// Passes calls on to another device, and fails some of them.
///
/// Calls that can fail are numbered from 1 on. Those whose numbers lie in the range that was said
/// fail with [`DeviceError::Driver`] and are not passed on, so they have no effect:
///
/// ```
/// use gapless_device::{Device, DeviceError, Faulty, Sim, SimSetup};
/// use gapless_units::Bytes;
///
/// let mut device = Faulty::new(Sim::new(SimSetup::new(Bytes::gib(1))));
/// device.fail(2..3);
/// assert!(device.create(Bytes::mib(2)).is_ok());
/// assert!(matches!(device.create(Bytes::mib(2)), Err(DeviceError::Driver { .. })));
/// assert!(device.create(Bytes::mib(2)).is_ok());
/// assert_eq!((device.calls(), device.failed()), (3, 1));
/// ```
#[derive(Clone, Debug)]
pub struct Faulty<D> {
    device: D,
    calls: u64,
    failed: u64,
    faults: Range<u64>,
    refused_unmaps: u64,
}

impl<D> Faulty<D> {
    /// Passes all calls on to `device`, as long as none is to fail.
    pub fn new(device: D) -> Self {
        Self { device, calls: 0, failed: 0, faults: 0..0, refused_unmaps: 0 }
    }

    /// Lets the calls with these numbers fail, and no others; the first call has the number 1.
    pub fn fail(&mut self, calls: Range<u64>) {
        self.faults = calls;
    }

    /// Lets the next so many unmaps fail with [`DeviceError::OutOfMappings`]: a part of what a system
    /// keeps as one mapping cannot go where there may be no more of them.
    pub fn refuse_unmaps(&mut self, calls: u64) {
        self.refused_unmaps = calls;
    }

    /// How many calls could have failed so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many calls failed here; those that the device itself refused are not among them.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The device behind.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device behind, whose own calls are not counted.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The device for a call, which is counted, or the fault.
    fn admit(&mut self, call: &'static str) -> Result<&mut D, DeviceError> {
        self.calls += 1;
        if self.faults.contains(&self.calls) {
            self.failed += 1;
            return Err(DeviceError::Driver { call, reason: "a fault was injected".to_owned() });
        }
        Ok(&mut self.device)
    }
}

impl<D: Device> Device for Faulty<D> {
    fn memory(&self) -> MemoryInfo {
        self.device.memory()
    }

    fn granule(&self) -> Bytes {
        self.device.granule()
    }

    fn page(&self) -> Bytes {
        self.device.page()
    }

    fn mapping_limit(&self) -> u64 {
        self.device.mapping_limit()
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.admit("allocate")?.allocate(size)
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.admit("free")?.free(addr)
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.admit("reserve")?.reserve(size)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.admit("unreserve")?.unreserve(reservation)
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.admit("create")?.create(size)
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.admit("release")?.release(handle)
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.admit("map")?.map(addr, handle)
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.admit("set access")?.set_access(range)
    }

    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        self.admit("enable peer access")?.enable_peer_access(peer)
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.admit("unmap")?;
        if let Some(left) = self.refused_unmaps.checked_sub(1) {
            self.refused_unmaps = left;
            self.failed += 1;
            return Err(DeviceError::OutOfMappings { call: "unmap" });
        }
        self.device.unmap(range)
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.device.check_stream(stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.admit("record event")?.record_event(stream)
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.admit("query event")?.is_complete(event)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.admit("wait for event")?.wait_for_event(event)
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.admit("drop event")?.drop_event(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        self.admit("wait for stream")?.wait_for_stream(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Sim, SimSetup};

    /// Every call once, in an order in which each makes sense, up to the first that fails.
    fn calls(device: &mut Faulty<Sim>) -> Result<(), DeviceError> {
        let size = Bytes::mib(2);
        let addr = device.allocate(size)?;
        device.free(addr)?;
        let range = device.reserve(size)?;
        let handle = device.create(size)?;
        device.map(range.start(), handle)?;
        device.enable_peer_access(DeviceId(1))?;
        device.set_access(range)?;
        device.unmap(range)?;
        device.release(handle)?;
        device.unreserve(range)?;
        let event = device.record_event(StreamId::DEFAULT)?;
        device.is_complete(event)?;
        device.wait_for_event(event)?;
        device.drop_event(event)?;
        device.wait_for_stream(StreamId::DEFAULT)
    }

    #[test]
    fn each_call_may_fail() {
        let new = || Faulty::new(Sim::new(SimSetup::new(Bytes::gib(1))));
        let mut device = new();
        assert_eq!(calls(&mut device), Ok(()));
        let count = device.calls();
        assert_eq!((count, device.failed()), (15, 0));
        for number in 1..=count {
            let mut device = new();
            device.fail(number..number + 1);
            assert!(matches!(calls(&mut device), Err(DeviceError::Driver { .. })));
            assert_eq!((device.calls(), device.failed()), (number, 1));
            // Questions that cannot fail are not counted, and the next call is passed on.
            device.memory();
            assert_eq!(device.wait_for_stream(StreamId::DEFAULT), Ok(()));
            assert_eq!((device.calls(), device.failed()), (number + 1, 1));
        }
    }

    #[test]
    fn a_call_that_fails_is_not_passed_on() {
        let mut device = Faulty::new(Sim::new(SimSetup::new(Bytes::gib(1))));
        device.fail(1..3);
        assert!(device.create(Bytes::mib(2)).is_err() && device.create(Bytes::mib(2)).is_err());
        assert_eq!(device.device().calls().create, 0);
        assert!(device.create(Bytes::mib(2)).is_ok());
        assert_eq!(device.device_mut().calls().create, 1);
    }
}
