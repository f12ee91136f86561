//! A simulated device that knows which memory lies under which addresses, and who works on it.

use std::collections::BTreeMap;

use gapless_device::{Device, DeviceError, EventId, Handle, MemoryInfo, Sim};
use gapless_units::{Addr, Bytes, Extent, StreamId};

/// Bytes of a handle: from, to.
type Piece = (Handle, u64, u64);

/// Queued work on memory.
#[derive(Clone, Debug)]
struct Work {
    stream: StreamId,
    order: u64,
    extent: Extent,
    pieces: Vec<Piece>,
}

pub(crate) struct Watched {
    sim: Sim,
    mappings: BTreeMap<Addr, (Handle, Bytes, bool)>,
    sizes: BTreeMap<Handle, Bytes>,
    work: Vec<Work>,
    events: BTreeMap<EventId, (StreamId, u64)>,
    order: u64,
    calls: u64,
    /// Which call fails, counted from 1.
    pub(crate) fails_at: Option<u64>,
    /// Whether it did.
    pub(crate) failed: bool,
    /// The first thing that was done to memory in use.
    pub(crate) wrong: Option<String>,
}

impl Watched {
    pub(crate) fn new(sim: Sim, fails_at: Option<u64>) -> Self {
        Self {
            sim,
            mappings: BTreeMap::new(),
            sizes: BTreeMap::new(),
            work: Vec::new(),
            events: BTreeMap::new(),
            order: 0,
            calls: 0,
            fails_at,
            failed: false,
            wrong: None,
        }
    }

    /// The memory under addresses, all of it accessible.
    fn pieces(&self, extent: Extent) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut at = extent.start();
        while at < extent.end() {
            let below = self.mappings.range(..=at).next_back();
            let Some((&start, &(handle, size, true))) = below else {
                return Err(format!("{extent:?} is not accessible at {at}"));
            };
            let end = (start + size).min(extent.end());
            if end <= at {
                return Err(format!("{extent:?} is not mapped at {at}"));
            }
            pieces.push((handle, (at - start).get(), (end - start).get()));
            at = end;
        }
        Ok(pieces)
    }

    pub(crate) fn share_memory(&self, one: Extent, other: Extent) -> Result<bool, String> {
        Ok(meet(&self.pieces(one)?, &self.pieces(other)?))
    }

    /// Another stream than `stream` whose work on this memory is not done.
    pub(crate) fn worker_on(
        &self,
        extent: Extent,
        stream: StreamId,
    ) -> Result<Option<StreamId>, String> {
        let pieces = self.pieces(extent)?;
        let others = self.work.iter().filter(|work| work.stream != stream);
        let mut meets = others.filter(|work| meet(&work.pieces, &pieces));
        Ok(meets.next().map(|work| work.stream))
    }

    pub(crate) fn queue(&mut self, stream: StreamId, extent: Extent) -> Result<(), String> {
        let pieces = self.pieces(extent)?;
        self.order += 1;
        self.work.push(Work { stream, order: self.order, extent, pieces });
        Ok(())
    }

    pub(crate) fn finish_stream(&mut self, stream: StreamId) {
        self.sim.finish_work_on(stream);
        self.work.retain(|work| work.stream != stream);
    }

    pub(crate) fn finish_all(&mut self) {
        self.sim.finish_all_work();
        self.work.clear();
    }

    pub(crate) fn has_mappings(&self) -> bool {
        !self.mappings.is_empty()
    }

    /// Counts a call, and fails it where it is its turn.
    fn call(&mut self, call: &'static str) -> Result<(), DeviceError> {
        self.calls += 1;
        if self.fails_at == Some(self.calls) {
            self.failed = true;
            return Err(DeviceError::Driver { call, reason: "told to fail".to_owned() });
        }
        Ok(())
    }
}

fn meet(one: &[Piece], other: &[Piece]) -> bool {
    one.iter().any(|a| other.iter().any(|b| a.0 == b.0 && a.1 < b.2 && b.1 < a.2))
}

impl Device for Watched {
    fn memory(&self) -> MemoryInfo {
        self.sim.memory()
    }

    fn granule(&self) -> Bytes {
        self.sim.granule()
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.call("allocate")?;
        self.sim.allocate(size)
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.call("free")?;
        self.sim.free(addr)
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.call("reserve")?;
        self.sim.reserve(size)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.call("unreserve")?;
        self.sim.unreserve(reservation)
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.call("create")?;
        let handle = self.sim.create(size)?;
        self.sizes.insert(handle, size);
        Ok(handle)
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.call("release")?;
        self.sim.release(handle)
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.call("map")?;
        self.sim.map(addr, handle)?;
        let size = self.sizes.get(&handle).copied().unwrap_or_default();
        self.mappings.insert(addr, (handle, size, false));
        Ok(())
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.call("set access")?;
        self.sim.set_access(range)?;
        for (_, mapping) in self.mappings.range_mut(range.start()..range.end()) {
            mapping.2 = true;
        }
        Ok(())
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.call("unmap")?;
        if let Some(work) = self.work.iter().find(|work| work.extent.overlaps(range)) {
            let who = work.stream;
            self.wrong.get_or_insert(format!("{range:?} is unmapped, {who:?} still uses it"));
        }
        self.sim.unmap(range)?;
        self.mappings.retain(|&at, _| at < range.start() || range.end() <= at);
        Ok(())
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        self.call("record event")?;
        let event = self.sim.record_event(stream)?;
        self.events.insert(event, (stream, self.order));
        Ok(event)
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        self.sim.is_complete(event)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.call("wait for event")?;
        self.sim.wait_for_event(event)?;
        if let Some(&(stream, order)) = self.events.get(&event) {
            self.work.retain(|work| work.stream != stream || order < work.order);
        }
        Ok(())
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.call("drop event")?;
        self.sim.drop_event(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        self.call("wait for stream")?;
        // The simulated device finishes all streams here, a real one does not.
        self.sim.finish_work_on(stream);
        self.work.retain(|work| work.stream != stream);
        Ok(())
    }
}
