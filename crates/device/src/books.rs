//! What a device gave: books that all devices of this crate keep alike.
//!
//! Each call of a device has two halves here. The first looks whether the call makes sense, and
//! is what [`Device`](crate::Device) promises to refuse; the second writes down that it was done.
//! Between them a device does it, and may still fail, with no effect on the books.

use std::collections::BTreeMap;

use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

use crate::device::{DeviceError, Handle};

/// A handle under granules of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) extent: Extent,
    pub(crate) handle: Handle,
}

#[derive(Clone, Copy, Debug)]
struct HandleBook {
    size: Bytes,
    mappings: u32,
    released: bool,
}

/// What was given and did not come back.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    granule: Bytes,
    /// All memory that can be had.
    capacity: Bytes,
    used: Bytes,
    most_used: Bytes,
    allocations: FxHashMap<Addr, Extent>,
    reservations: BTreeMap<Addr, Extent>,
    handles: FxHashMap<Handle, HandleBook>,
    mappings: BTreeMap<Addr, Mapping>,
    next_handle: u64,
}

impl Books {
    pub(crate) fn new(granule: Bytes, capacity: Bytes) -> Self {
        Self {
            granule,
            capacity,
            used: Bytes::ZERO,
            most_used: Bytes::ZERO,
            allocations: FxHashMap::default(),
            reservations: BTreeMap::new(),
            handles: FxHashMap::default(),
            mappings: BTreeMap::new(),
            next_handle: 0,
        }
    }

    pub(crate) fn granule(&self) -> Bytes {
        self.granule
    }

    /// The memory that can still be had.
    pub(crate) fn free(&self) -> Bytes {
        self.capacity.saturating_sub(self.used)
    }

    pub(crate) fn used(&self) -> Bytes {
        self.used
    }

    pub(crate) fn mapping_count(&self) -> u64 {
        self.mappings.len() as u64
    }

    /// The most memory that was in use at once.
    pub(crate) fn most_used(&self) -> Bytes {
        self.most_used
    }

    /// Whether nothing is allocated, reserved, created or mapped.
    pub(crate) fn is_idle(&self) -> bool {
        self.allocations.is_empty()
            && self.reservations.is_empty()
            && self.handles.is_empty()
            && self.mappings.is_empty()
    }

    fn take(&mut self, size: Bytes) {
        self.used += size;
        self.most_used = self.most_used.max(self.used);
    }
}

/// Memory, and whether there is enough.
impl Books {
    /// A size that virtual memory calls accept.
    pub(crate) fn check_size(&self, call: &'static str, size: Bytes) -> Result<(), DeviceError> {
        if size.is_zero() || size.round_down(self.granule) != size {
            return Err(DeviceError::Invalid { call, reason: "the size is no whole granules" });
        }
        Ok(())
    }

    /// Whether so much memory is left.
    pub(crate) fn check_room(&self, size: Bytes) -> Result<(), DeviceError> {
        let free = self.free();
        if free < size {
            return Err(DeviceError::OutOfMemory { requested: size, free });
        }
        Ok(())
    }

    /// What of the memory an allocation of this size takes.
    pub(crate) fn memory_of(&self, size: Bytes) -> Result<Bytes, DeviceError> {
        if size.is_zero() {
            return Err(DeviceError::Invalid { call: "allocate", reason: "the size is zero" });
        }
        let whole = size.get().checked_next_multiple_of(self.granule.get());
        let too_much = DeviceError::OutOfMemory { requested: size, free: self.free() };
        whole.map(Bytes::new).ok_or(too_much)
    }

    pub(crate) fn allocated(&mut self, extent: Extent) {
        self.take(extent.size().round_up(self.granule));
        self.allocations.insert(extent.start(), extent);
    }

    /// The allocation at an address, which can be freed.
    pub(crate) fn check_free(&self, addr: Addr) -> Result<Extent, DeviceError> {
        let reason = "nothing was allocated there";
        let found = self.allocations.get(&addr).copied();
        found.ok_or(DeviceError::Invalid { call: "free", reason })
    }

    pub(crate) fn freed(&mut self, extent: Extent) {
        self.allocations.remove(&extent.start());
        self.used -= extent.size().round_up(self.granule);
    }
}

/// Reservations.
impl Books {
    pub(crate) fn reserved(&mut self, extent: Extent) {
        self.reservations.insert(extent.start(), extent);
    }

    /// The reservation that an address lies in.
    pub(crate) fn reservation_at(&self, addr: Addr) -> Option<Extent> {
        let (_, &reservation) = self.reservations.range(..=addr).next_back()?;
        (addr < reservation.end()).then_some(reservation)
    }

    /// Whether this reservation can go back.
    pub(crate) fn check_unreserve(&self, reservation: Extent) -> Result<(), DeviceError> {
        let invalid = |reason| Err(DeviceError::Invalid { call: "unreserve", reason });
        if self.reservations.get(&reservation.start()) != Some(&reservation) {
            return invalid("there is no such reservation");
        }
        if self.mappings.range(reservation.start()..reservation.end()).next().is_some() {
            return invalid("something is mapped there");
        }
        Ok(())
    }

    pub(crate) fn unreserved(&mut self, reservation: Extent) {
        self.reservations.remove(&reservation.start());
    }
}

/// Handles.
impl Books {
    pub(crate) fn created(&mut self, size: Bytes) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle += 1;
        self.take(size);
        self.handles.insert(handle, HandleBook { size, mappings: 0, released: false });
        handle
    }

    /// The size of a handle that the caller still holds.
    pub(crate) fn check_handle(
        &self,
        call: &'static str,
        handle: Handle,
    ) -> Result<Bytes, DeviceError> {
        let held = self.handles.get(&handle).filter(|book| !book.released);
        let gone = DeviceError::Invalid { call, reason: "there is no such handle" };
        held.map(|book| book.size).ok_or(gone)
    }

    /// Writes down that the caller gave up a handle; whether its memory is now nobody's.
    pub(crate) fn released(&mut self, handle: Handle) -> bool {
        if let Some(book) = self.handles.get_mut(&handle) {
            book.released = true;
        }
        self.settle(handle)
    }

    /// Gives a handle's memory back once nobody holds or maps it; whether that is now.
    fn settle(&mut self, handle: Handle) -> bool {
        let book = self.handles.get(&handle).copied();
        let gone = book.filter(|book| book.released && book.mappings == 0);
        if let Some(book) = gone {
            self.handles.remove(&handle);
            self.used -= book.size;
        }
        gone.is_some()
    }
}

/// Mappings.
impl Books {
    /// Whether all of a range is allocated, or mapped.
    pub(crate) fn backs(&self, range: Extent) -> bool {
        let mut reached = range.start();
        for mapping in self.mappings_over(range) {
            if reached < mapping.extent.start() {
                break;
            }
            reached = mapping.extent.end();
        }
        let is_mapped = range.end() <= reached;
        is_mapped || self.allocations.values().any(|allocated| allocated.contains(range))
    }

    /// The addresses from `addr` on where so much is to be mapped: reserved and vacant.
    pub(crate) fn check_vacant(&self, addr: Addr, size: Bytes) -> Result<Extent, DeviceError> {
        let invalid = |reason| DeviceError::Invalid { call: "map", reason };
        let range = Extent::new(addr, size).map_err(|_| invalid("no such addresses"))?;
        if self.reservation_at(addr).is_none_or(|reservation| !reservation.contains(range)) {
            return Err(invalid("the addresses are not reserved"));
        }
        if self.mappings_over(range).next().is_some() {
            return Err(invalid("something is mapped there"));
        }
        Ok(range)
    }

    /// Where a handle goes that is to be mapped at `addr`.
    pub(crate) fn check_map(&self, addr: Addr, handle: Handle) -> Result<Extent, DeviceError> {
        let range = self.check_vacant(addr, self.check_handle("map", handle)?)?;
        let origin = self.reservation_at(addr).map_or(addr, Extent::start);
        let offset = addr - origin;
        if offset.round_down(self.granule) != offset {
            let reason = "the address is inside of a granule";
            return Err(DeviceError::Invalid { call: "map", reason });
        }
        Ok(range)
    }

    pub(crate) fn mapped(&mut self, extent: Extent, handle: Handle) {
        if let Some(book) = self.handles.get_mut(&handle) {
            book.mappings += 1;
        }
        self.mappings.insert(extent.start(), Mapping { extent, handle });
    }

    /// How many mappings fill a range without a gap, none sticking out.
    pub(crate) fn check_access(&self, range: Extent) -> Result<u64, DeviceError> {
        let invalid = |reason| DeviceError::Invalid { call: "set access", reason };
        let (mut reached, mut count) = (range.start(), 0);
        for mapping in self.mappings_over(range) {
            if mapping.extent.start() != reached {
                break;
            }
            reached = mapping.extent.end();
            count += 1;
        }
        if range.is_empty() || reached < range.end() {
            return Err(invalid("the range is not mapped throughout"));
        }
        if range.end() < reached {
            return Err(invalid("a mapping sticks out of the range"));
        }
        Ok(count)
    }

    /// The mappings in a range of one reservation, at least one and none sticking out.
    pub(crate) fn check_unmap(&self, range: Extent) -> Result<Vec<Mapping>, DeviceError> {
        let invalid = |reason| DeviceError::Invalid { call: "unmap", reason };
        let reservation = self.reservation_at(range.start());
        if reservation.is_none_or(|reservation| !reservation.contains(range)) {
            return Err(invalid("the addresses are not of one reservation"));
        }
        let mappings: Vec<Mapping> = self.mappings_over(range).collect();
        if mappings.is_empty() {
            return Err(invalid("nothing is mapped there"));
        }
        if mappings.iter().any(|mapping| !range.contains(mapping.extent)) {
            return Err(invalid("a mapping sticks out of the range"));
        }
        Ok(mappings)
    }

    /// Writes down that a mapping is gone; whether its handle's memory is now nobody's.
    pub(crate) fn unmapped(&mut self, mapping: Mapping) -> bool {
        self.mappings.remove(&mapping.extent.start());
        if let Some(book) = self.handles.get_mut(&mapping.handle) {
            book.mappings -= 1;
        }
        self.settle(mapping.handle)
    }

    /// Where something is mapped, if anything is.
    pub(crate) fn any_mapping(&self) -> Option<Extent> {
        self.mappings.values().next().map(|mapping| mapping.extent)
    }

    /// The mappings that share an address with a range, in order.
    fn mappings_over(&self, range: Extent) -> impl Iterator<Item = Mapping> + '_ {
        let before = self.mappings.range(..range.start()).next_back();
        let before = before.filter(move |(_, mapping)| range.start() < mapping.extent.end());
        let inside = self.mappings.range(range.start()..range.end());
        before.into_iter().chain(inside).map(|(_, &mapping)| mapping)
    }
}
