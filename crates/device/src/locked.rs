//! One device for several threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gapless_units::{Addr, Bytes, DeviceId, Extent, StreamId};

use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo, SharedDevice};

/// A handle of a device behind a lock. Clones are the same device, which several threads may use
/// though its calls need it whole.
///
/// A call holds the lock until it answers, one that waits for the device too: meanwhile all other
/// threads wait as well. So this is for devices whose waits are short, as the simulated one's are.
///
/// ```
/// use gapless_device::{Device, Locked, Sim, SimSetup};
/// use gapless_units::Bytes;
///
/// let device = Locked::new(Sim::new(SimSetup::new(Bytes::gib(1))));
/// let mut other = device.clone();
/// other.create(Bytes::mib(2)).unwrap();
/// assert_eq!(device.with(|sim| sim.calls().create), 1);
/// ```
#[derive(Debug)]
pub struct Locked<D>(Arc<Mutex<D>>);

impl<D> Clone for Locked<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> Locked<D> {
    /// Puts a device behind a lock.
    pub fn new(device: D) -> Self {
        Self(Arc::new(Mutex::new(device)))
    }

    /// Does something with the device that is no call of a [`Device`].
    pub fn with<T>(&self, action: impl FnOnce(&mut D) -> T) -> T {
        action(&mut self.lock())
    }

    /// The device. A call that panicked in another thread is that thread's matter.
    fn lock(&self) -> MutexGuard<'_, D> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Device> SharedDevice for Locked<D> {}

impl<D: Device> Device for Locked<D> {
    fn memory(&self) -> MemoryInfo {
        self.lock().memory()
    }

    fn granule(&self) -> Bytes {
        self.lock().granule()
    }

    fn page(&self) -> Bytes {
        self.lock().page()
    }

    fn mapping_limit(&self) -> u64 {
        self.lock().mapping_limit()
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.lock().allocate(size)
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.lock().free(addr)
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.lock().reserve(size)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.lock().unreserve(reservation)
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.lock().create(size)
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.lock().release(handle)
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.lock().map(addr, handle)
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.lock().set_access(range)
    }

    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        self.lock().enable_peer_access(peer)
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.lock().unmap(range)
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.lock().check_stream(stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.lock().record_event(stream)
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.lock().is_complete(event)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.lock().wait_for_event(event)
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.lock().drop_event(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        self.lock().wait_for_stream(stream)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::sim::{Sim, SimSetup};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is about threads")]
    fn threads_share_a_device() {
        let device = Locked::new(Sim::new(SimSetup::new(Bytes::gib(1))));
        thread::scope(|scope| {
            for _ in 0..4 {
                let mut device = device.clone();
                scope.spawn(move || {
                    for _ in 0..100 {
                        let handle = device.create(Bytes::mib(2)).unwrap();
                        device.release(handle).unwrap();
                    }
                });
            }
        });
        assert_eq!(device.with(|sim| (sim.calls().create, sim.is_idle())), (400, true));
    }
}
