//! The simulated device: books of addresses and memory, and a clock that runs on a cost model.

mod addresses;
mod calls;
mod events;
mod script;

use gapless_units::{Addr, Bytes, DeviceId, Extent, MIB, StreamId};

use crate::books::Books;
use crate::costs::Costs;
use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo};

pub use addresses::Placement;
use addresses::{Addresses, Use};
pub use calls::CallCounts;
pub use events::Completion;
use events::Events;
pub use script::{Script, Step};

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
    /// How many mappings it keeps.
    pub mappings: u64,
    /// What its calls take.
    pub costs: Costs,
}

impl SimSetup {
    /// A device of `total` bytes of which all can be had, which keeps any number of mappings, with the
    /// preset `pessimistic`.
    pub fn new(total: Bytes) -> Self {
        Self {
            total,
            outside: Bytes::ZERO,
            placement: Placement::LowestFirst,
            completion: Completion::AtOnce,
            mappings: u64::MAX,
            costs: Costs::default(),
        }
    }
}

/// A device that keeps books and no memory.
#[derive(Clone, Debug)]
pub struct Sim {
    total: Bytes,
    books: Books,
    addresses: Addresses,
    events: Events,
    script: Option<Script>,
    mappings: u64,
    costs: Costs,
    calls: CallCounts,
    nanos: u64,
    /// How many graphs are captured.
    captures: u32,
    /// Whether a call was refused since the first of them began.
    is_capture_spoiled: bool,
}

impl Sim {
    /// Its granule: the page of the memory that NVIDIA's driver manages.
    pub const GRANULE: Bytes = Bytes::new(2 * MIB);

    /// A device with nothing on it.
    pub fn new(setup: SimSetup) -> Self {
        let capacity = setup.total.saturating_sub(setup.outside);
        Self {
            total: setup.total,
            books: Books::new(Self::GRANULE, capacity),
            addresses: Addresses::new(setup.placement),
            events: Events::new(setup.completion),
            script: None,
            mappings: setup.mappings,
            costs: setup.costs,
            calls: CallCounts::default(),
            nanos: 0,
            captures: 0,
            is_capture_spoiled: false,
        }
    }

    /// How often each call was made.
    pub fn calls(&self) -> CallCounts {
        self.calls
    }

    /// What the calls so far would have taken by the cost model, in nanoseconds, `u64::MAX` at most.
    pub fn modelled_nanos(&self) -> u64 {
        self.nanos
    }

    /// The most memory that was in use at once.
    pub fn most_used(&self) -> Bytes {
        self.books.most_used()
    }

    fn spend(&mut self, nanos: u64) {
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// Whether nothing is allocated, reserved, created or mapped.
    pub fn is_idle(&self) -> bool {
        self.books.is_idle()
    }

    /// Ends all work queued so far; events recorded before are complete.
    pub fn finish_all_work(&mut self) {
        self.events.finish_all();
    }

    /// Ends the work queued on one stream so far.
    pub fn finish_work_on(&mut self, stream: StreamId) {
        self.events.finish_stream(stream);
    }

    /// Begins to capture a graph. As long as one is captured, calls that a driver was seen to refuse are
    /// refused: memory with an address of its own, and whatever asks about work or waits for it.
    pub fn begin_capture(&mut self) {
        self.is_capture_spoiled &= 0 < self.captures;
        self.captures += 1;
    }

    /// Ends a capture; says whether it came out whole: all that go on are given up at a call that is
    /// refused.
    pub fn end_capture(&mut self) -> bool {
        self.captures = self.captures.saturating_sub(1);
        !self.is_capture_spoiled
    }

    /// Refuses a call while a graph is captured.
    fn check_capture(&mut self, call: &'static str) -> Result<(), DeviceError> {
        if self.captures == 0 {
            return Ok(());
        }
        self.is_capture_spoiled = true;
        Err(DeviceError::Invalid { call, reason: "a graph is being captured" })
    }

    /// Forgets a stream: calls that name it fail from now on.
    pub fn destroy_stream(&mut self, stream: StreamId) {
        self.events.destroy_stream(stream);
    }

    /// Makes a stream that was destroyed anew; all others are there from the beginning.
    pub fn make_stream(&mut self, stream: StreamId) {
        self.events.make_stream(stream);
    }

    /// How many events were recorded and not dropped.
    pub fn events(&self) -> usize {
        self.events.count()
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
        self.books.reservation_at(addr).is_some()
    }

    /// Answers by a script from now on, without regard to the capacity; `None` ends that.
    pub fn follow(&mut self, script: Option<Script>) {
        self.script = script;
    }

    /// Takes a segment into the books that was there before the simulation began: memory with an
    /// address of its own, at no cost.
    pub fn adopt_allocation(&mut self, extent: Extent) -> Result<(), DeviceError> {
        self.check_held(extent.size().round_up(Self::GRANULE))?;
        self.adopt_addresses(extent)?;
        self.books.allocated(extent);
        Ok(())
    }

    /// Takes a reservation into the books that was there before the simulation began, at no cost.
    pub fn adopt_reservation(&mut self, extent: Extent) -> Result<(), DeviceError> {
        self.adopt_addresses(extent)?;
        self.books.reserved(extent);
        Ok(())
    }

    /// Takes a mapping into the books that was there before the simulation began, at no cost.
    pub fn adopt_mapping(&mut self, extent: Extent) -> Result<Handle, DeviceError> {
        self.check_held(extent.size())?;
        let extent = self.books.check_vacant(extent.start(), extent.size())?;
        let handle = self.books.created(extent.size());
        self.books.mapped(extent, handle);
        Ok(handle)
    }

    fn adopt_addresses(&mut self, extent: Extent) -> Result<(), DeviceError> {
        let taken = DeviceError::Invalid { call: "adopt", reason: "the addresses are taken" };
        self.addresses.take_at(extent).map(drop).ok_or(taken)
    }

    /// Whether a device may hold so much more, the capacity aside.
    fn check_held(&self, size: Bytes) -> Result<(), DeviceError> {
        let free = MOST_HELD.saturating_sub(self.books.used());
        if free < size {
            return Err(DeviceError::OutOfMemory { requested: size, free });
        }
        Ok(())
    }

    /// Whether the device gives so much memory now.
    fn check_gives(&mut self, size: Bytes) -> Result<(), DeviceError> {
        let Some(script) = &mut self.script else { return self.books.check_room(size) };
        // A script passes over the capacity, not over what any device has.
        if size <= MOST_HELD.saturating_sub(self.books.used()) && script.gives(size) {
            return Ok(());
        }
        Err(DeviceError::OutOfMemory { requested: size, free: self.books.free() })
    }
}

impl Device for Sim {
    fn memory(&self) -> MemoryInfo {
        MemoryInfo { free: self.books.free(), total: self.total }
    }

    fn granule(&self) -> Bytes {
        self.books.granule()
    }

    fn mapping_limit(&self) -> u64 {
        self.mappings
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.calls.allocate += 1;
        self.check_capture("allocate")?;
        self.spend(self.costs.allocate());
        let memory = self.books.memory_of(size)?;
        self.check_gives(memory)?;
        let extent = self.addresses.take(Use::Allocation, memory);
        let extent = extent.ok_or(DeviceError::OutOfAddresses { requested: size })?;
        self.books.allocated(extent);
        Ok(extent.start())
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.calls.free += 1;
        self.check_capture("free")?;
        let extent = self.books.check_free(addr)?;
        self.spend(self.costs.free());
        if let Some(script) = &mut self.script {
            script.takes(extent.size());
        }
        self.addresses.give(extent);
        self.books.freed(extent);
        Ok(())
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.calls.reserve += 1;
        self.spend(self.costs.reserve());
        self.books.check_size("reserve", size)?;
        let extent = self.addresses.take(Use::Reservation, size);
        let extent = extent.ok_or(DeviceError::OutOfAddresses { requested: size })?;
        self.books.reserved(extent);
        Ok(extent)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.books.check_unreserve(reservation)?;
        self.books.unreserved(reservation);
        self.addresses.give(reservation);
        Ok(())
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.calls.create += 1;
        self.spend(self.costs.create(size));
        self.books.check_size("create", size)?;
        self.check_gives(size)?;
        Ok(self.books.created(size))
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.calls.release += 1;
        let size = self.books.check_handle("release", handle)?;
        self.spend(self.costs.release(size));
        self.books.released(handle);
        Ok(())
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.calls.map += 1;
        self.spend(self.costs.map());
        let extent = self.books.check_map(addr, handle)?;
        if self.mappings <= self.books.mapping_count() {
            return Err(DeviceError::OutOfMappings { call: "map" });
        }
        self.calls.granules_mapped += extent.size().get() / Self::GRANULE.get();
        self.books.mapped(extent, handle);
        Ok(())
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.calls.set_access += 1;
        let handles = self.books.check_access(range)?;
        self.spend(self.costs.set_access(handles));
        Ok(())
    }

    fn enable_peer_access(&mut self, _peer: DeviceId) -> Result<(), DeviceError> {
        // Any device may be a peer; nothing that is simulated depends on it.
        Ok(())
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.calls.unmap += 1;
        let mappings = self.books.check_unmap(range)?;
        self.spend(self.costs.unmap(mappings.len() as u64));
        if let Some(script) = &mut self.script {
            script.takes(range.size());
        }
        for mapping in mappings {
            self.books.unmapped(mapping);
        }
        Ok(())
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.events.check_stream("check stream", stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.events.check_stream("record event", stream)?;
        Ok(self.events.record(stream))
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.check_capture("query event")?;
        self.events.ask(event)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.check_capture("wait for event")?;
        self.events.wait(event)
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.events.forget(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        self.check_capture("wait for stream")?;
        self.events.check_stream("wait for stream", stream)?;
        // A simulation has nothing else to do meanwhile: all of its work ends.
        self.events.finish_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs of a billion seconds are a file's to have; what they add up to stays a number.
    #[test]
    fn what_calls_take_does_not_overflow() {
        let usual = include_str!("../data/costs/a100.toml");
        let file = usual.replace("create_us_per_2mib = 193.0", "create_us_per_2mib = 9e11");
        let costs = Costs::read("a test", &file).unwrap();
        let mut sim = Sim::new(SimSetup { costs, ..SimSetup::new(Bytes::gib(64)) });
        for _ in 0..3 {
            assert!(sim.create(Bytes::gib(20)).is_ok());
        }
        assert_eq!(sim.modelled_nanos(), u64::MAX);
    }
}
