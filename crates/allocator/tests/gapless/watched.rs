//! A device that knows which memory lies under which address and which work still uses it.

use std::collections::{BTreeMap, BTreeSet};

use gapless_device::{Completion, Device, DeviceError, EventId, Handle, MemoryInfo, Sim, SimSetup};
use gapless_units::{Addr, Bytes, DeviceId, Extent, StreamId};

/// Bytes of a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    pub(crate) handle: Handle,
    start: Bytes,
    end: Bytes,
}

impl Piece {
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.handle == other.handle && self.start < other.end && other.start < self.end
    }
}

/// Work queued on a stream, with the addresses and the bytes that it uses.
#[derive(Clone, Debug)]
struct Work {
    stream: StreamId,
    tick: u64,
    addresses: Extent,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    handle: Handle,
    size: Bytes,
    /// How many devices may use it.
    open_to: usize,
}

/// A simulated device with books of its own, which know nothing of its inner ones.
///
/// Work ends when it is told to or waited for. A wait for a stream ends the work of that stream
/// and no other, unlike the simulated device's own, so that nothing is done by chance.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) sim: Sim,
    mappings: BTreeMap<Addr, Mapping>,
    sizes: BTreeMap<Handle, Bytes>,
    tick: u64,
    recorded: BTreeMap<EventId, (StreamId, u64)>,
    /// For each stream the tick up to which its work is done.
    done: BTreeMap<StreamId, u64>,
    work: Vec<Work>,
    /// The first thing that must not happen.
    pub(crate) complaint: Option<String>,
    placed: BTreeSet<Handle>,
    /// Reservations that did not go back.
    pub(crate) reserved: u64,
    /// How often memory was mapped that had been elsewhere before.
    pub(crate) moves: u64,
    /// How often something was waited for.
    pub(crate) waits: u64,
    /// Whether a graph is captured, which an answer about work would spoil.
    pub(crate) is_capturing: bool,
    peers: BTreeSet<DeviceId>,
}

impl Watched {
    /// A device with so much memory that keeps so many mappings.
    pub(crate) fn new(capacity: Bytes, mappings: u64) -> Self {
        let completion = Completion::WhenTold;
        Self {
            sim: Sim::new(SimSetup { completion, mappings, ..SimSetup::new(capacity) }),
            mappings: BTreeMap::new(),
            sizes: BTreeMap::new(),
            tick: 1,
            recorded: BTreeMap::new(),
            done: BTreeMap::new(),
            work: Vec::new(),
            complaint: None,
            placed: BTreeSet::new(),
            reserved: 0,
            moves: 0,
            waits: 0,
            is_capturing: false,
            peers: BTreeSet::new(),
        }
    }

    /// How many devices have to have access to all memory.
    fn users(&self) -> usize {
        1 + self.peers.len()
    }

    /// The memory under a range; `None` where some of it is not mapped or not open to every device.
    pub(crate) fn pieces(&self, range: Extent) -> Option<Vec<Piece>> {
        self.pieces_open_to(self.users(), range)
    }

    fn pieces_open_to(&self, users: usize, range: Extent) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut at = range.start();
        while at < range.end() {
            let (&start, mapping) = self.mappings.range(..=at).next_back()?;
            let end = (start + mapping.size).min(range.end());
            if end <= at || mapping.open_to < users {
                return None;
            }
            let handle = mapping.handle;
            pieces.push(Piece { handle, start: at - start, end: end - start });
            at = end;
        }
        Some(pieces)
    }

    /// The handles that lie under the granules which a range touches, each with its address.
    pub(crate) fn granules(&self, range: Extent) -> Vec<(Addr, Handle)> {
        let touched = self.mappings.range(..range.end());
        let touched = touched.filter(|&(&at, mapping)| range.start() < at + mapping.size);
        touched.map(|(&at, mapping)| (at, mapping.handle)).collect()
    }

    /// The handle that is mapped at an address.
    pub(crate) fn handle_at(&self, addr: Addr) -> Option<Handle> {
        self.mappings.get(&addr).map(|mapping| mapping.handle)
    }

    /// Work of a stream on a range of addresses that is mapped throughout.
    pub(crate) fn queue(&mut self, stream: StreamId, addresses: Extent) {
        // The work is the device's own.
        let Some(pieces) = self.pieces_open_to(1, addresses) else {
            self.complain(format!("work is queued on {addresses:?}, which is not mapped"));
            return;
        };
        let tick = self.next_tick();
        self.work.push(Work { stream, tick, addresses, pieces });
    }

    /// Work of other streams than `stream` that is not done and uses these bytes.
    pub(crate) fn in_use_by_others(&self, stream: StreamId, pieces: &[Piece]) -> Option<String> {
        let uses = |work: &&Work| {
            let hits = |piece: &Piece| work.pieces.iter().any(|used| used.overlaps(piece));
            work.stream != stream && pieces.iter().any(hits)
        };
        self.work.iter().find(uses).map(|work| format!("{work:?}"))
    }

    /// Whether what a stream had queued at a tick is done.
    pub(crate) fn is_done(&self, stream: StreamId, tick: u64) -> bool {
        self.done.get(&stream).is_some_and(|&done| tick <= done)
    }

    /// Counts on; what happens later is told apart from what happened before.
    pub(crate) fn next_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    pub(crate) fn finish_stream(&mut self, stream: StreamId) {
        self.sim.finish_work_on(stream);
        self.know_done(stream, self.tick);
        // What is queued from now on is not done.
        self.next_tick();
    }

    pub(crate) fn has_mappings(&self) -> bool {
        !self.mappings.is_empty()
    }

    /// All memory it gave that did not come back.
    pub(crate) fn given(&self) -> Bytes {
        self.sim.memory().total - self.sim.memory().free
    }

    fn know_done(&mut self, stream: StreamId, tick: u64) {
        let done = self.done.entry(stream).or_default();
        *done = tick.max(*done);
        let done = *done;
        self.work.retain(|work| work.stream != stream || done < work.tick);
    }

    /// A call that a driver refuses while a graph is captured.
    fn spoils_captures(&mut self, call: &str) {
        if self.is_capturing {
            self.complain(format!("{call} while a graph is captured"));
        }
    }

    fn complain(&mut self, what: String) {
        self.complaint.get_or_insert(what);
    }
}

impl Device for Watched {
    fn memory(&self) -> MemoryInfo {
        self.sim.memory()
    }

    fn granule(&self) -> Bytes {
        self.sim.granule()
    }

    fn mapping_limit(&self) -> u64 {
        self.sim.mapping_limit()
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.spoils_captures("allocate");
        let addr = self.sim.allocate(size)?;
        // Memory that has its address from the device lies there and nowhere else.
        let handle = Handle(u64::MAX - addr.get());
        self.mappings.insert(addr, Mapping { handle, size, open_to: self.users() });
        Ok(addr)
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.spoils_captures("free");
        let size = self.mappings.get(&addr).map(|mapping| mapping.size).unwrap_or_default();
        let range = Extent::between(addr, addr + size);
        if let Some(work) = self.work.iter().find(|work| work.addresses.overlaps(range)) {
            self.complain(format!("{range:?} is freed under {work:?}"));
        }
        self.sim.free(addr)?;
        self.mappings.remove(&addr);
        Ok(())
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        let extent = self.sim.reserve(size)?;
        self.reserved += 1;
        Ok(extent)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.sim.unreserve(reservation)?;
        self.reserved -= 1;
        Ok(())
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        let handle = self.sim.create(size)?;
        self.sizes.insert(handle, size);
        Ok(handle)
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        if self.mappings.values().any(|mapping| mapping.handle == handle) {
            self.complain(format!("{handle:?} is released and mapped"));
        }
        self.sim.release(handle)?;
        self.sizes.remove(&handle);
        Ok(())
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.sim.map(addr, handle)?;
        self.moves += u64::from(!self.placed.insert(handle));
        let size = self.sizes.get(&handle).copied().unwrap_or_default();
        self.mappings.insert(addr, Mapping { handle, size, open_to: 0 });
        Ok(())
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.sim.set_access(range)?;
        let users = self.users();
        for (_, mapping) in self.mappings.range_mut(range.start()..range.end()) {
            mapping.open_to = users;
        }
        Ok(())
    }

    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        self.sim.enable_peer_access(peer)?;
        self.peers.insert(peer);
        Ok(())
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        if let Some(work) = self.work.iter().find(|work| work.addresses.overlaps(range)) {
            self.complain(format!("{range:?} is unmapped under {work:?}"));
        }
        self.sim.unmap(range)?;
        self.mappings.retain(|&at, _| at < range.start() || range.end() <= at);
        Ok(())
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.sim.check_stream(stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.spoils_captures("record event");
        let event = self.sim.record_event(stream)?;
        self.recorded.insert(event, (stream, self.tick));
        // What is queued from now on comes behind the event.
        self.next_tick();
        Ok(event)
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.spoils_captures("query event");
        let complete = self.sim.is_complete(event)?;
        let told = self.recorded.get(&event);
        if told.is_some_and(|&(stream, tick)| complete != self.is_done(stream, tick)) {
            self.complain(format!("{event:?} is complete at another time than its work"));
        }
        Ok(complete)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.spoils_captures("wait for event");
        self.sim.wait_for_event(event)?;
        self.waits += 1;
        if let Some(&(stream, tick)) = self.recorded.get(&event) {
            self.know_done(stream, tick);
        }
        Ok(())
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.spoils_captures("drop event");
        self.recorded.remove(&event);
        self.sim.drop_event(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        let event = self.record_event(stream)?;
        self.wait_for_event(event)?;
        self.drop_event(event)
    }
}

/// The handles of some pieces.
pub(crate) fn handles(pieces: &[Piece]) -> BTreeSet<Handle> {
    pieces.iter().map(|piece| piece.handle).collect()
}
