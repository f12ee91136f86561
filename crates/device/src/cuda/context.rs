//! Calls of the driver on one card.
//!
//! Everything here, and in `stream.rs`, `graph.rs` and `kernel.rs`, is sound by itself: what the driver gave is kept in
//! types that only its file makes, that is used while it lives, and that is given back once. Addresses are
//! the card's; only work that is queued reads or writes bytes there, of memory that the card gave.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::null_mut;

use gapless_units::{Addr, Bytes, DeviceId, Extent};

pub(super) use super::driver::Refusal;
use super::driver::{Access, CudaError, Driver, Location, ON_DEVICE, Properties};

/// Whether a card can map memory (`CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED`).
const HAS_VIRTUAL_MEMORY: c_int = 102;
/// The primary context of a card.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) driver: Driver,
    ordinal: u32,
    device: c_int,
    raw: *mut c_void,
}

// SAFETY: the driver's functions may be called from any thread, and the pointer is only handed to them.
unsafe impl Send for Context {}
// SAFETY: likewise.
unsafe impl Sync for Context {}

impl Context {
    pub(super) fn open(ordinal: u32) -> Result<Self, CudaError> {
        let driver = Driver::open()?;
        let refused =
            |refusal: Refusal| CudaError::Refused { ordinal, reason: refusal.to_string() };
        // SAFETY: the flags have to be 0.
        unsafe { driver.init(0) }.map_err(refused)?;
        let mut device = 0;
        let number = c_int::try_from(ordinal).unwrap_or(c_int::MAX);
        // SAFETY: it writes to a place of ours.
        unsafe { driver.device(&raw mut device, number) }.map_err(refused)?;
        let mut can_map = 0;
        // SAFETY: it writes to a place of ours.
        unsafe { driver.attribute(&raw mut can_map, HAS_VIRTUAL_MEMORY, device) }
            .map_err(refused)?;
        if can_map == 0 {
            return Err(CudaError::NoVirtualMemory { ordinal });
        }
        let mut context = null_mut();
        // SAFETY: it writes to a place of ours.
        unsafe { driver.retain_context(&raw mut context, device) }.map_err(refused)?;
        Ok(Self { driver, ordinal, device, raw: context })
    }

    /// Makes the context current in this thread until what it answers goes.
    pub(super) fn enter(&self) -> Result<Entered<'_>, Refusal> {
        let mut current = null_mut();
        // SAFETY: it writes to a place of ours.
        unsafe { self.driver.current_context(&raw mut current) }?;
        let is_pushed = current != self.raw;
        if is_pushed {
            // SAFETY: the context lives as long as this value.
            unsafe { self.driver.push_context(self.raw) }?;
        }
        Ok(Entered { context: self, is_pushed, of_this_thread: PhantomData })
    }

    /// The smallest size that can be mapped.
    pub(super) fn granule(&self) -> Result<Bytes, CudaError> {
        let (properties, mut granule) = (self.properties(), 0);
        // SAFETY: it reads from and writes to places of ours.
        let asked = unsafe { self.driver.granule(&raw mut granule, &raw const properties, 0) };
        asked.map_err(|refusal| self.refused(&refusal))?;
        Ok(Bytes::new(granule as u64))
    }

    /// What is free and what there is, for the opening of a card.
    pub(super) fn memory(&self) -> Result<(Bytes, Bytes), CudaError> {
        self.memory_now().map_err(|refusal| self.refused(&refusal))
    }

    /// What is free. After a fault of the card that is nothing.
    pub(super) fn free_now(&self) -> Bytes {
        self.memory_now().map_or(Bytes::ZERO, |(free, _)| free)
    }

    fn memory_now(&self) -> Result<(Bytes, Bytes), Refusal> {
        let _entered = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: it writes to places of ours.
        unsafe { self.driver.memory(&raw mut free, &raw mut total) }?;
        Ok((Bytes::new(free as u64), Bytes::new(total as u64)))
    }

    fn refused(&self, refusal: &Refusal) -> CudaError {
        CudaError::Refused { ordinal: self.ordinal, reason: refusal.to_string() }
    }

    fn properties(&self) -> Properties {
        let location = Location { kind: ON_DEVICE, id: self.device };
        Properties { kind: 1, handle_types: 0, location, windows: null_mut(), flags: [0; 8] }
    }

    /// Whether another card can use this one's memory.
    pub(super) fn can_access(&self, peer: DeviceId) -> Result<bool, Refusal> {
        let (mut other, mut can) = (0, 0);
        let number = c_int::try_from(peer.0).unwrap_or(c_int::MAX);
        // SAFETY: it writes to a place of ours.
        unsafe { self.driver.device(&raw mut other, number) }?;
        // SAFETY: it writes to a place of ours.
        unsafe { self.driver.can_access_peer(&raw mut can, other, self.device) }?;
        Ok(can != 0)
    }

    /// Waits for all work of the process on the card.
    pub(super) fn wait(&self) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        // SAFETY: it has no arguments.
        unsafe { self.driver.wait_for_context() }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once. Nothing is to be done where the driver refuses.
        let _ = unsafe { self.driver.release_context(self.device) };
    }
}

/// A context that is current in this thread.
pub(super) struct Entered<'c> {
    context: &'c Context,
    is_pushed: bool,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.is_pushed {
            let mut popped = null_mut();
            // SAFETY: it was pushed in this thread, and it writes to a place of ours.
            let _ = unsafe { self.context.driver.pop_context(&raw mut popped) };
        }
    }
}

/// Memory with an address of its own, to be freed once.
#[derive(Debug)]
pub(super) struct Allocated(u64);

impl Allocated {
    pub(super) fn addr(&self) -> Addr {
        Addr::new(self.0)
    }
}

/// Physical memory, to be released once.
#[derive(Debug)]
pub(super) struct Physical {
    handle: u64,
    size: usize,
}

/// A call that gives something back and fails, with what was to be given back.
pub(super) type GivenBack<T> = Result<(), (T, Refusal)>;

/// Memory.
impl Context {
    pub(super) fn allocate(&self, size: Bytes) -> Result<Allocated, Refusal> {
        let _entered = self.enter()?;
        let mut addr = 0;
        // SAFETY: it writes to a place of ours.
        unsafe { self.driver.allocate(&raw mut addr, whole(size)) }?;
        Ok(Allocated(addr))
    }

    /// Waits for all work of the card.
    pub(super) fn free(&self, allocated: Allocated) -> GivenBack<Allocated> {
        let freed = self.enter().and_then(|_entered| {
            // SAFETY: it was allocated, and this is the only time.
            unsafe { self.driver.free(allocated.0) }
        });
        freed.map_err(|refusal| (allocated, refusal))
    }

    pub(super) fn reserve(&self, size: Bytes) -> Result<Addr, Refusal> {
        let _entered = self.enter()?;
        let mut addr = 0;
        // SAFETY: it writes to a place of ours; the address and the alignment are the driver's choice.
        unsafe { self.driver.reserve(&raw mut addr, whole(size), 0, 0, 0) }?;
        Ok(Addr::new(addr))
    }

    pub(super) fn unreserve(&self, reservation: Extent) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        // SAFETY: the driver refuses what is no reservation of its own.
        unsafe { self.driver.unreserve(reservation.start().get(), whole(reservation.size())) }
    }

    pub(super) fn create(&self, size: Bytes) -> Result<Physical, Refusal> {
        let _entered = self.enter()?;
        let (properties, size, mut handle) = (self.properties(), whole(size), 0);
        // SAFETY: it reads from and writes to places of ours.
        unsafe { self.driver.create(&raw mut handle, size, &raw const properties, 0) }?;
        Ok(Physical { handle, size })
    }

    pub(super) fn release(&self, physical: Physical) -> GivenBack<Physical> {
        let released = self.enter().and_then(|_entered| {
            // SAFETY: it was created, and this is the only time.
            unsafe { self.driver.release(physical.handle) }
        });
        released.map_err(|refusal| (physical, refusal))
    }

    pub(super) fn map(&self, addr: Addr, physical: &Physical) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        // SAFETY: the handle lives; the driver refuses addresses that are not reserved or mapped.
        unsafe { self.driver.map(addr.get(), physical.size, 0, physical.handle, 0) }
    }

    /// Lets this card, and others, use a range.
    pub(super) fn set_access(&self, range: Extent, peers: &[DeviceId]) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        let peers = peers.iter().map(|peer| c_int::try_from(peer.0).unwrap_or(c_int::MAX));
        let access = |id| Access { location: Location { kind: ON_DEVICE, id }, flags: 3 };
        let all: Vec<Access> = std::iter::once(self.device).chain(peers).map(access).collect();
        let (addr, size) = (range.start().get(), whole(range.size()));
        // SAFETY: it reads as many entries as there are; the driver refuses what is not mapped.
        unsafe { self.driver.set_access(addr, size, all.as_ptr(), all.len()) }
    }

    pub(super) fn unmap(&self, range: Extent) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        // SAFETY: the driver refuses what is not mapped.
        unsafe { self.driver.unmap(range.start().get(), whole(range.size())) }
    }

    /// Clears memory that was allocated here, before work that comes later on the default stream.
    pub(super) fn zero(&self, at: Extent) -> Result<(), Refusal> {
        let _entered = self.enter()?;
        // SAFETY: the memory is the caller's, on the card.
        unsafe { self.driver.zero(at.start().get(), 0, whole(at.size())) }
    }

    /// A number in the card's memory, as it is now.
    pub(super) fn number_at(&self, addr: Addr) -> Result<u64, Refusal> {
        let _entered = self.enter()?;
        let mut number = 0_u64;
        let to = (&raw mut number).cast();
        // SAFETY: it writes as many bytes to a place of ours, and refuses what it cannot read.
        unsafe { self.driver.copy_to_host(to, addr.get(), size_of::<u64>()) }?;
        Ok(number)
    }
}

/// A size as the driver takes it. Sizes that are larger it would refuse anyway.
fn whole(size: Bytes) -> usize {
    usize::try_from(size.get()).unwrap_or(usize::MAX)
}
