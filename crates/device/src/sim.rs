//! The simulated device: books of addresses and memory, and a clock that runs on a cost model.

mod addresses;
mod events;
mod script;

use std::collections::BTreeMap;

use gapless_units::{Addr, Bytes, Extent, MIB, StreamId};
use rustc_hash::FxHashMap;

use crate::costs::Costs;
use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo};

pub use addresses::Placement;
use addresses::{Addresses, Use};
pub use events::Completion;
use events::Events;
pub use script::{Script, Step};

/// The page of the memory that NVIDIA's driver manages.
const GRANULE: Bytes = Bytes::new(2 * MIB);

/// The most that a recorded device is believed to have held: far more than any card has, and
/// little enough to keep books of its pages.
const MOST_HELD: Bytes = Bytes::gib(4096);

/// What a simulated device is like.
#[derive(Clone, Debug)]
pub struct SimSetup {
    /// All the memory it has.
    pub total: Bytes,
    /// What of it nobody can have: the context, libraries, other programs.
    pub outside: Bytes,
    /// Where it puts fresh ranges of addresses.
    pub placement: Placement,
    /// When work on streams is done.
    pub completion: Completion,
    /// What its calls take.
    pub costs: Costs,
}

impl SimSetup {
    /// A device of `total` bytes of which all can be had, with the preset `pessimistic`.
    pub fn new(total: Bytes) -> Self {
        Self {
            total,
            outside: Bytes::ZERO,
            placement: Placement::LowestFirst,
            completion: Completion::AtOnce,
            costs: Costs::default(),
        }
    }
}

/// How often each call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// [`Device::allocate`], refused ones included.
    pub allocate: u64,
    /// [`Device::free`].
    pub free: u64,
    /// [`Device::reserve`].
    pub reserve: u64,
    /// [`Device::create`], refused ones included.
    pub create: u64,
    /// [`Device::map`].
    pub map: u64,
    /// Granules that [`Device::map`] was called for.
    pub granules_mapped: u64,
    /// [`Device::set_access`].
    pub set_access: u64,
    /// [`Device::unmap`].
    pub unmap: u64,
    /// [`Device::release`].
    pub release: u64,
}

/// A device that keeps books and no memory.
#[derive(Clone, Debug)]
pub struct Sim {
    total: Bytes,
    outside: Bytes,
    used: Bytes,
    most_used: Bytes,
    addresses: Addresses,
    /// Ranges that [`Device::allocate`] gave, and what of the memory each takes.
    allocated: FxHashMap<Addr, Extent>,
    reservations: BTreeMap<Addr, Bytes>,
    handles: FxHashMap<Handle, HandleBook>,
    mappings: BTreeMap<Addr, (Handle, Bytes)>,
    events: Events,
    script: Option<Script>,
    next_handle: u64,
    costs: Costs,
    calls: CallCounts,
    nanos: u64,
}

#[derive(Clone, Copy, Debug)]
struct HandleBook {
    size: Bytes,
    mappings: u32,
    released: bool,
}

impl Sim {
    /// A device with nothing on it.
    pub fn new(setup: SimSetup) -> Self {
        Self {
            total: setup.total,
            outside: setup.outside,
            used: Bytes::ZERO,
            most_used: Bytes::ZERO,
            addresses: Addresses::new(setup.placement),
            allocated: FxHashMap::default(),
            reservations: BTreeMap::new(),
            handles: FxHashMap::default(),
            mappings: BTreeMap::new(),
            events: Events::new(setup.completion),
            script: None,
            next_handle: 0,
            costs: setup.costs,
            calls: CallCounts::default(),
            nanos: 0,
        }
    }

    /// How often each call was made.
    pub fn calls(&self) -> CallCounts {
        self.calls
    }

    /// What the calls so far would have taken by the cost model, in nanoseconds.
    pub fn modelled_nanos(&self) -> u64 {
        self.nanos
    }

    /// The most memory that was in use at once.
    pub fn most_used(&self) -> Bytes {
        self.most_used
    }

    /// Whether nothing is allocated, reserved, created or mapped.
    pub fn is_idle(&self) -> bool {
        self.allocated.is_empty()
            && self.reservations.is_empty()
            && self.handles.is_empty()
            && self.mappings.is_empty()
    }

    /// Ends all work queued so far; events recorded before are complete.
    pub fn finish_all_work(&mut self) {
        self.events.finish_all();
    }

    /// Ends the work queued on one stream so far.
    pub fn finish_work_on(&mut self, stream: StreamId) {
        self.events.finish_stream(stream);
    }

    /// Lets the next calls of [`Device::allocate`] give these ranges, one each, where they are
    /// free; forgets ranges said before.
    pub fn allocate_next_at(&mut self, extents: impl IntoIterator<Item = Extent>) {
        self.addresses.place_next(Use::Allocation, extents);
    }

    /// Lets the next calls of [`Device::reserve`] give these ranges, one each, where they are
    /// free, whatever size they ask for; forgets ranges said before.
    pub fn reserve_next_at(&mut self, extents: impl IntoIterator<Item = Extent>) {
        self.addresses.place_next(Use::Reservation, extents);
    }

    /// Whether this address lies in a reservation.
    pub fn is_reserved(&self, addr: Addr) -> bool {
        let before = self.reservations.range(..=addr).next_back();
        before.is_some_and(|(&start, &size)| addr < start + size)
    }

    /// Answers by a script from now on, without regard to the capacity; `None` ends that.
    pub fn follow(&mut self, script: Option<Script>) {
        self.script = script;
    }

    /// Takes a segment into the books that was there before the simulation began: memory with an
    /// address of its own, at no cost.
    pub fn adopt_allocation(&mut self, extent: Extent) -> Result<(), DeviceError> {
        self.addresses
            .take_at(extent)
            .ok_or(DeviceError::Invalid { call: "adopt", reason: "the addresses are taken" })?;
        self.adopt(extent.size().round_up(GRANULE))?;
        self.allocated.insert(extent.start(), extent);
        Ok(())
    }

    /// Counts memory that was taken before, even where it is more than there is.
    fn adopt(&mut self, size: Bytes) -> Result<(), DeviceError> {
        let free = MOST_HELD.saturating_sub(self.used);
        if free < size {
            return Err(DeviceError::OutOfMemory { requested: size, free });
        }
        self.used += size;
        self.most_used = self.most_used.max(self.used);
        Ok(())
    }

    /// Takes a reservation into the books that was there before the simulation began, at no cost.
    pub fn adopt_reservation(&mut self, extent: Extent) -> Result<(), DeviceError> {
        self.addresses
            .take_at(extent)
            .ok_or(DeviceError::Invalid { call: "adopt", reason: "the addresses are taken" })?;
        self.reservations.insert(extent.start(), extent.size());
        Ok(())
    }

    /// Takes a mapping into the books that was there before the simulation began, at no cost.
    pub fn adopt_mapping(&mut self, extent: Extent) -> Result<Handle, DeviceError> {
        self.adopt(extent.size())?;
        let handle = self.new_handle(extent.size());
        self.bind(extent.start(), handle)?;
        Ok(handle)
    }

    fn free_bytes(&self) -> Bytes {
        self.total.saturating_sub(self.outside).saturating_sub(self.used)
    }

    /// Takes memory from the books.
    fn take(&mut self, size: Bytes) -> Result<(), DeviceError> {
        let free = self.free_bytes();
        let gives = match &mut self.script {
            // A script passes over the capacity, not over what any device has.
            Some(script) => size <= MOST_HELD.saturating_sub(self.used) && script.gives(size),
            None => size <= free,
        };
        if !gives {
            return Err(DeviceError::OutOfMemory { requested: size, free });
        }
        self.used += size;
        self.most_used = self.most_used.max(self.used);
        Ok(())
    }

    fn new_handle(&mut self, size: Bytes) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle += 1;
        self.handles.insert(handle, HandleBook { size, mappings: 0, released: false });
        handle
    }

    fn bind(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        let invalid = |reason| DeviceError::Invalid { call: "map", reason };
        let book = self.handles.get_mut(&handle).filter(|book| !book.released);
        let book = book.ok_or(invalid("there is no such handle"))?;
        let range = Extent::new(addr, book.size).map_err(|_| invalid("no such addresses"))?;
        let reserved = self.reservations.range(..=addr).next_back().map(|(&at, &n)| (at, n));
        if reserved.is_none_or(|(at, size)| at + size < range.end()) {
            return Err(invalid("the addresses are not reserved"));
        }
        if self.mappings.range(addr..range.end()).next().is_some()
            || self.mappings.range(..addr).next_back().is_some_and(|(&at, m)| addr < at + m.1)
        {
            return Err(invalid("something is mapped there"));
        }
        book.mappings += 1;
        self.mappings.insert(addr, (handle, book.size));
        Ok(())
    }

    /// Gives a handle's memory back once nobody holds or maps it.
    fn settle(&mut self, handle: Handle) {
        if let Some(book) = self.handles.get(&handle).copied()
            && book.released
            && book.mappings == 0
        {
            self.handles.remove(&handle);
            self.used -= book.size;
        }
    }

    /// A size that virtual memory calls accept.
    fn whole_granules(call: &'static str, size: Bytes) -> Result<(), DeviceError> {
        if size.is_zero() || size.round_down(GRANULE) != size {
            return Err(DeviceError::Invalid { call, reason: "the size is no whole granules" });
        }
        Ok(())
    }
}

impl Device for Sim {
    fn memory(&self) -> MemoryInfo {
        MemoryInfo { free: self.free_bytes(), total: self.total }
    }

    fn granule(&self) -> Bytes {
        GRANULE
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.calls.allocate += 1;
        self.nanos += self.costs.allocate();
        if size.is_zero() {
            return Err(DeviceError::Invalid { call: "allocate", reason: "the size is zero" });
        }
        let memory = size.round_up(GRANULE);
        self.take(memory)?;
        let Some(extent) = self.addresses.take(Use::Allocation, memory) else {
            self.used -= memory;
            return Err(DeviceError::OutOfAddresses { requested: size });
        };
        self.allocated.insert(extent.start(), extent);
        Ok(extent.start())
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.calls.free += 1;
        let extent = self
            .allocated
            .remove(&addr)
            .ok_or(DeviceError::Invalid { call: "free", reason: "nothing was allocated there" })?;
        self.nanos += self.costs.free();
        if let Some(script) = &mut self.script {
            script.takes(extent.size());
        }
        self.addresses.give(extent);
        self.used -= extent.size().round_up(GRANULE);
        Ok(())
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.calls.reserve += 1;
        self.nanos += self.costs.reserve();
        Self::whole_granules("reserve", size)?;
        let extent = self
            .addresses
            .take(Use::Reservation, size)
            .ok_or(DeviceError::OutOfAddresses { requested: size })?;
        self.reservations.insert(extent.start(), extent.size());
        Ok(extent)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        let invalid = |reason| Err(DeviceError::Invalid { call: "unreserve", reason });
        let (start, end) = (reservation.start(), reservation.end());
        if self.reservations.get(&start) != Some(&reservation.size()) {
            return invalid("there is no such reservation");
        }
        if self.mappings.range(start..end).next().is_some() {
            return invalid("something is mapped there");
        }
        self.reservations.remove(&start);
        self.addresses.give(reservation);
        Ok(())
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.calls.create += 1;
        self.nanos += self.costs.create(size);
        Self::whole_granules("create", size)?;
        self.take(size)?;
        Ok(self.new_handle(size))
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.calls.release += 1;
        let gone = DeviceError::Invalid { call: "release", reason: "there is no such handle" };
        let book = self.handles.get_mut(&handle).filter(|book| !book.released).ok_or(gone)?;
        book.released = true;
        self.nanos += self.costs.release(book.size);
        self.settle(handle);
        Ok(())
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.calls.map += 1;
        self.nanos += self.costs.map();
        let size = self.handles.get(&handle).map_or(Bytes::ZERO, |book| book.size);
        self.calls.granules_mapped += size.get() / GRANULE.get();
        self.bind(addr, handle)
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.calls.set_access += 1;
        let mut handles = 0;
        let mut covered = range.start();
        for (&at, &(_, size)) in self.mappings.range(range.start()..range.end()) {
            if at != covered {
                break;
            }
            covered = at + size;
            handles += 1;
        }
        if covered < range.end() {
            return Err(DeviceError::Invalid {
                call: "set access",
                reason: "the range is not mapped throughout",
            });
        }
        self.nanos += self.costs.set_access(handles);
        Ok(())
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.calls.unmap += 1;
        let invalid = |reason| DeviceError::Invalid { call: "unmap", reason };
        let inside = self.mappings.range(range.start()..range.end());
        let inside: Vec<_> = inside.map(|(&at, &(handle, size))| (at, handle, size)).collect();
        let Some(&(last, _, size)) = inside.last() else {
            return Err(invalid("nothing is mapped there"));
        };
        let before = self.mappings.range(..range.start()).next_back();
        if range.end() < last + size || before.is_some_and(|(&at, m)| range.start() < at + m.1) {
            return Err(invalid("a mapping sticks out of the range"));
        }
        self.nanos += self.costs.unmap(inside.len() as u64);
        if let Some(script) = &mut self.script {
            script.takes(range.size());
        }
        for (at, handle, _) in inside {
            self.mappings.remove(&at);
            if let Some(book) = self.handles.get_mut(&handle) {
                book.mappings -= 1;
            }
            self.settle(handle);
        }
        Ok(())
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        Ok(self.events.record(stream))
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.events.ask(event)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.events.wait(event)
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.events.forget(event)
    }

    fn wait_for_stream(&mut self, _stream: StreamId) -> Result<(), DeviceError> {
        // A simulation has nothing else to do meanwhile: all of its work ends.
        self.events.finish_all();
        Ok(())
    }
}
