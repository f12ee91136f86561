//! A device whose calls are timed.

use std::fmt;
use std::time::{Duration, Instant};

use gapless_device::{Device, DeviceError, EventId, Handle, MemoryInfo};
use gapless_units::{Addr, Bytes, Extent, StreamId};

/// The calls that are timed, in the order in which they are told.
const CALLS: [&str; 14] = [
    "reserve",
    "unreserve",
    "create",
    "release",
    "map",
    "set_access",
    "unmap",
    "allocate",
    "free",
    "record",
    "query",
    "wait",
    "drop",
    "wait for stream",
];

/// Passes calls on to another device, and counts and times them.
pub(crate) struct Timed<D> {
    device: D,
    spent: [(u64, Duration); CALLS.len()],
}

impl<D> Timed<D> {
    pub(crate) fn new(device: D) -> Self {
        Self { device, spent: [(0, Duration::ZERO); CALLS.len()] }
    }

    /// All calls, and their time.
    pub(crate) fn spent(&self) -> (u64, Duration) {
        let (calls, times): (Vec<u64>, Vec<Duration>) = self.spent.iter().copied().unzip();
        (calls.into_iter().sum(), times.into_iter().sum())
    }

    fn timed<T>(&mut self, call: usize, action: impl FnOnce(&mut D) -> T) -> T {
        let began = Instant::now();
        let answer = action(&mut self.device);
        let (calls, time) = &mut self.spent[call];
        *calls += 1;
        *time += began.elapsed();
        answer
    }
}

/// Each kind of call with how often it was made, and the mean of what it took.
impl<D> fmt::Display for Timed<D> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = CALLS.iter().zip(&self.spent).filter(|(_, (calls, _))| 0 < *calls);
        for (at, (name, (calls, time))) in made.enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let mean = time.as_secs_f64() * 1e6 / *calls as f64;
            write!(out, "{comma}{name} {calls} of {mean:.1} us")?;
        }
        Ok(())
    }
}

impl<D: Device> Device for Timed<D> {
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

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.timed(0, |device| device.reserve(size))
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.timed(1, |device| device.unreserve(reservation))
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.timed(2, |device| device.create(size))
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.timed(3, |device| device.release(handle))
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.timed(4, |device| device.map(addr, handle))
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.timed(5, |device| device.set_access(range))
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.timed(6, |device| device.unmap(range))
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.timed(7, |device| device.allocate(size))
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.timed(8, |device| device.free(addr))
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.device.check_stream(stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.timed(9, |device| device.record_event(stream))
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.timed(10, |device| device.is_complete(event))
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.timed(11, |device| device.wait_for_event(event))
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.timed(12, |device| device.drop_event(event))
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        self.timed(13, |device| device.wait_for_stream(stream))
    }
}
