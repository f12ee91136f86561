//! A device that writes down for itself which memory it gave, and which work is done.

use std::collections::BTreeMap;

use gapless_device::{Device, DeviceError, EventId, Handle, MemoryInfo, Sim};
use gapless_units::{Addr, Bytes, Extent, StreamId};

/// A simulated device with books of its own, which know nothing of its inner ones.
pub(crate) struct Books {
    pub(crate) sim: Sim,
    /// Memory that may be touched, by address.
    held: BTreeMap<Addr, Bytes>,
    sizes: BTreeMap<Handle, Bytes>,
    /// Mapped memory that may not be touched yet.
    mapped: BTreeMap<Addr, Bytes>,
    /// Counts what the program does.
    pub(crate) tick: u64,
    recorded: BTreeMap<EventId, (StreamId, u64)>,
    /// For each stream the tick up to which its work is known to be done.
    done: BTreeMap<StreamId, u64>,
    all_done: u64,
    /// Whether it ever refused memory.
    pub(crate) refused: bool,
}

impl Books {
    pub(crate) fn new(sim: Sim) -> Self {
        Self {
            sim,
            held: BTreeMap::new(),
            sizes: BTreeMap::new(),
            mapped: BTreeMap::new(),
            tick: 1,
            recorded: BTreeMap::new(),
            done: BTreeMap::new(),
            all_done: 0,
            refused: false,
        }
    }

    /// All memory that may be touched.
    pub(crate) fn held_bytes(&self) -> Bytes {
        self.held.values().copied().sum()
    }

    /// Whether all of a range may be touched.
    pub(crate) fn holds(&self, range: Extent) -> bool {
        let mut at = range.start();
        while at < range.end() {
            let before = self.held.range(..=at).next_back().map(|(&start, &size)| start + size);
            match before {
                Some(end) if at < end => at = end,
                Some(_) | None => return false,
            }
        }
        true
    }

    /// Whether the work a stream had queued at a tick is known to be done.
    pub(crate) fn is_done(&self, stream: StreamId, tick: u64) -> bool {
        let done = self.done.get(&stream).copied().unwrap_or_default();
        tick <= done.max(self.all_done)
    }

    pub(crate) fn finish_stream(&mut self, stream: StreamId) {
        self.sim.finish_work_on(stream);
        self.done.insert(stream, self.tick);
    }

    pub(crate) fn finish_all(&mut self) {
        self.sim.finish_all_work();
        self.all_done = self.tick;
    }

    fn know_done(&mut self, event: EventId) {
        if let Some(&(stream, tick)) = self.recorded.get(&event) {
            let done = self.done.entry(stream).or_default();
            *done = tick.max(*done);
        }
    }
}

impl Device for Books {
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
        let addr = self.sim.allocate(size)?;
        self.held.insert(addr, size);
        Ok(addr)
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.sim.free(addr)?;
        self.held.remove(&addr);
        Ok(())
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.sim.reserve(size)
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.sim.unreserve(reservation)
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        let handle = self.sim.create(size).inspect_err(|_| self.refused = true)?;
        self.sizes.insert(handle, size);
        Ok(handle)
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.sim.release(handle)
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.sim.map(addr, handle)?;
        self.mapped.insert(addr, self.sizes[&handle]);
        Ok(())
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.sim.set_access(range)?;
        let inside = self.mapped.range(range.start()..range.end());
        self.held.extend(inside.map(|(&at, &size)| (at, size)));
        Ok(())
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.sim.unmap(range)?;
        let gone = |at: Addr| range.start() <= at && at < range.end();
        self.mapped.retain(|&at, _| !gone(at));
        self.held.retain(|&at, _| !gone(at));
        Ok(())
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.sim.check_stream(stream)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        let event = self.sim.record_event(stream)?;
        self.recorded.insert(event, (stream, self.tick));
        Ok(event)
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        let complete = self.sim.is_complete(event)?;
        if complete {
            self.know_done(event);
        }
        Ok(complete)
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.know_done(event);
        self.sim.wait_for_event(event)
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.recorded.remove(&event);
        self.sim.drop_event(event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        // The simulated device ends the work of every stream here.
        self.all_done = self.tick;
        self.sim.wait_for_stream(stream)
    }
}
