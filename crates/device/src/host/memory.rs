//! The memory of the host's device: what was given by the books, carried out by the kernel.
//!
//! Every call looks into the books first, then asks the kernel, then writes down what was done.
//! Where the kernel refuses, the books stay as they are. What it did before it refused stays out
//! of reach: memory placed and not opened cannot be touched, and the next mapping replaces it.

use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;
use rustix::io::{Errno, Result as KernelResult};

use super::backing::{Backing, Piece};
use super::maps::Maps;
use super::view::View;
use crate::books::Books;
use crate::device::{DeviceError, Handle, MemoryInfo};

#[derive(Debug)]
pub(super) struct Memory {
    total: Bytes,
    books: Books,
    maps: Maps,
    backing: Backing,
    /// What of the file each handle is.
    created: FxHashMap<Handle, Vec<Piece>>,
    /// What of the file lies under each allocation.
    allocated: FxHashMap<Addr, Vec<Piece>>,
}

impl Memory {
    pub(super) fn new(total: Bytes, granule: Bytes) -> Result<Self, DeviceError> {
        let backing = Backing::new(total.round_down(granule));
        Ok(Self {
            total,
            books: Books::new(granule, total),
            maps: Maps::default(),
            backing: backing.map_err(|error| {
                let (call, reason) = ("open the device", error.to_string());
                DeviceError::Driver { call, reason }
            })?,
            created: FxHashMap::default(),
            allocated: FxHashMap::default(),
        })
    }

    pub(super) fn info(&self) -> MemoryInfo {
        MemoryInfo { free: self.books.free(), total: self.total }
    }

    /// How much memory the system holds for the device.
    pub(super) fn resident(&self) -> Bytes {
        self.backing.resident()
    }

    /// The bytes of a range, where all of it may be touched; else its first address that may not.
    pub(super) fn view(&self, range: Extent) -> Result<View<'_>, Addr> {
        self.maps.view(range)
    }

    pub(super) fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        let memory = self.books.memory_of(size)?;
        self.books.check_room(memory)?;
        let extent = self.take_addresses("allocate", memory)?;
        let pieces = self.backing.take(memory);
        let placed = place(&mut self.maps, &self.backing, extent.start(), &pieces);
        // What is beyond the size takes memory, and is not the caller's.
        let asked = Extent::between(extent.start(), extent.start() + size);
        if let Err(error) = placed.and_then(|()| self.maps.open(asked)) {
            self.backing.give(pieces);
            // Addresses that the kernel does not take back now go back with the device.
            let _ = self.maps.unreserve(extent.start());
            return Err(refused("allocate", error));
        }
        self.books.allocated(extent);
        self.allocated.insert(extent.start(), pieces);
        Ok(extent.start())
    }

    /// Whether there is something at an address that can be freed.
    pub(super) fn check_free(&self, addr: Addr) -> Result<(), DeviceError> {
        self.books.check_free(addr).map(drop)
    }

    pub(super) fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        let extent = self.books.check_free(addr)?;
        self.maps.unreserve(addr).map_err(|error| refused("free", error))?;
        self.books.freed(extent);
        self.backing.give(self.allocated.remove(&addr).unwrap_or_default());
        Ok(())
    }

    pub(super) fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.books.check_size("reserve", size)?;
        let extent = self.take_addresses("reserve", size)?;
        self.books.reserved(extent);
        Ok(extent)
    }

    pub(super) fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.books.check_unreserve(reservation)?;
        let given = self.maps.unreserve(reservation.start());
        given.map_err(|error| refused("unreserve", error))?;
        self.books.unreserved(reservation);
        Ok(())
    }

    pub(super) fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.books.check_size("create", size)?;
        self.books.check_room(size)?;
        let pieces = self.backing.take(size);
        let handle = self.books.created(size);
        self.created.insert(handle, pieces);
        Ok(handle)
    }

    pub(super) fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.books.check_handle("release", handle)?;
        if self.books.released(handle) {
            self.give(handle);
        }
        Ok(())
    }

    pub(super) fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        let extent = self.books.check_map(addr, handle)?;
        let pieces = self.created.get(&handle).map_or(&[][..], Vec::as_slice);
        if let Err(error) = place(&mut self.maps, &self.backing, addr, pieces) {
            // Some of the pieces may be there, out of reach.
            let _ = self.maps.clear(extent);
            return Err(refused("map", error));
        }
        self.books.mapped(extent, handle);
        Ok(())
    }

    pub(super) fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.books.check_access(range)?;
        self.maps.open(range).map_err(|error| refused("set access", error))
    }

    pub(super) fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        let mappings = self.books.check_unmap(range)?;
        if let (Some(first), Some(last)) = (mappings.first(), mappings.last()) {
            let mapped = Extent::between(first.extent.start(), last.extent.end());
            self.maps.clear(mapped).map_err(|error| refused("unmap", error))?;
        }
        for mapping in mappings {
            if self.books.unmapped(mapping) {
                self.give(mapping.handle);
            }
        }
        Ok(())
    }

    fn take_addresses(&mut self, call: &'static str, size: Bytes) -> Result<Extent, DeviceError> {
        self.maps.reserve(size, self.books.granule()).map_err(|error| match error {
            Errno::NOMEM => DeviceError::OutOfAddresses { requested: size },
            other => refused(call, other),
        })
    }

    /// Gives the memory of a handle back that nobody holds or maps.
    fn give(&mut self, handle: Handle) {
        self.backing.give(self.created.remove(&handle).unwrap_or_default());
    }
}

/// Puts pieces of memory one behind the other.
fn place(maps: &mut Maps, backing: &Backing, at: Addr, pieces: &[Piece]) -> KernelResult<()> {
    let mut at = at;
    for piece in pieces {
        maps.place(at, backing, piece)?;
        at = at + Bytes::new(piece.end - piece.start);
    }
    Ok(())
}

fn refused(call: &'static str, error: Errno) -> DeviceError {
    // The kernel says no more than this, and memory is what it rarely lacks.
    if error == Errno::NOMEM {
        return DeviceError::OutOfMappings { call };
    }
    DeviceError::Driver { call, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use gapless_units::KIB;

    use super::super::pattern::pattern;
    use super::*;

    const GRANULE: Bytes = Bytes::new(64 * KIB);

    fn granules(count: u64) -> Bytes {
        Bytes::new(count * GRANULE.get())
    }

    fn extent(start: Addr, size: Bytes) -> Extent {
        Extent::new(start, size).unwrap()
    }

    /// Memory that the kernel refuses everything from some call on, until that was noticed once.
    struct Refusing {
        memory: Memory,
        noticed: bool,
    }

    impl Refusing {
        /// Makes a call. Where it is refused nothing was done, and it can be made again.
        fn call<T>(&mut self, call: impl Fn(&mut Memory) -> Result<T, DeviceError>) -> T {
            let before = self.memory.info();
            if let Ok(answer) = call(&mut self.memory) {
                return answer;
            }
            assert!(!self.noticed, "a call is refused twice");
            assert_eq!(self.memory.info(), before);
            self.noticed = true;
            self.memory.maps.patience = None;
            call(&mut self.memory).unwrap()
        }

        fn fill(&self, range: Extent, seed: u64) {
            self.memory.view(range).unwrap().fill(|offset| pattern(seed, offset));
        }

        fn check(&self, range: Extent, seed: u64) {
            let view = self.memory.view(range).unwrap();
            assert_eq!(view.find_difference(|offset| pattern(seed, offset)), None);
        }
    }

    /// Calls of every kind; how many calls of the kernel they took.
    fn live(patience: u64) -> u64 {
        let mut memory = Memory::new(granules(6), GRANULE).unwrap();
        memory.maps.patience = Some(patience);
        let mut it = Refusing { memory, noticed: false };

        // A handle whose memory is in two pieces.
        let [first, second, third] = [1, 1, 1].map(|n| it.call(|m| m.create(granules(n))));
        it.call(|m| m.release(first));
        let fourth = it.call(|m| m.create(granules(3)));
        it.call(|m| m.release(third));
        let split = it.call(|m| m.create(granules(2)));
        assert_eq!(
            it.memory.created[&split],
            [0..GRANULE.get(), 2 * GRANULE.get()..3 * GRANULE.get()]
        );

        let reservation = it.call(|m| m.reserve(granules(8)));
        let start = reservation.start();
        let (low, middle) = (extent(start, granules(2)), extent(start + granules(2), granules(1)));
        it.call(|m| m.map(low.start(), split));
        it.call(|m| m.map(middle.start(), second));
        assert!(it.memory.view(low).is_err());
        it.call(|m| m.set_access(Extent::between(low.start(), middle.end())));
        it.fill(low, 1);
        it.fill(middle, 2);

        // The same memory elsewhere, and other memory where it was.
        let high = extent(start + granules(5), granules(2));
        it.call(|m| m.map(high.start(), split));
        it.call(|m| m.set_access(high));
        it.check(high, 1);
        it.check(middle, 2);
        it.call(|m| m.unmap(Extent::between(low.start(), middle.end())));
        assert_eq!(it.memory.view(low).err(), Some(low.start()));
        let over = extent(start, granules(3));
        it.call(|m| m.map(over.start(), fourth));
        it.call(|m| m.set_access(over));
        it.fill(over, 3);
        it.check(high, 1);

        it.call(|m| m.unmap(reservation));
        for handle in [second, fourth, split] {
            it.call(|m| m.release(handle));
        }
        it.call(|m| m.unreserve(reservation));
        let addr = it.call(|m| m.allocate(Bytes::new(5)));
        it.fill(extent(addr, Bytes::new(5)), 4);
        assert_eq!(it.memory.view(extent(addr, Bytes::new(6))).err(), Some(addr + Bytes::new(5)));
        it.call(|m| m.free(addr));
        assert_eq!(it.memory.info().free, granules(6));
        assert_eq!(it.memory.resident(), Bytes::ZERO);
        assert_eq!(it.noticed, it.memory.maps.patience.is_none());
        it.memory.maps.patience.map_or(0, |left| patience - left)
    }

    #[test]
    fn what_the_kernel_refuses_has_no_effect() {
        let calls = live(1000);
        assert_eq!(calls, 17);
        for patience in 0..calls {
            live(patience);
        }
    }
}
