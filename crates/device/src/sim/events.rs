//! Events of the simulated device: when work queued on a stream is done.

use gapless_units::StreamId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::device::{DeviceError, EventId};

/// When work queued on streams is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// As soon as somebody asks.
    #[default]
    AtOnce,
    /// When an event, or one behind it on its stream, was asked about that often before, or somebody
    /// waited for the device.
    AfterQueries(u32),
    /// When told, by `finish_work_on` or `finish_all_work`, or when somebody waits.
    WhenTold,
    /// When told, on this stream and those after it; on those before as soon as somebody asks.
    WhenToldFrom(StreamId),
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    stream: StreamId,
    /// The number of waits for the device before it was recorded.
    epoch: u64,
    asked: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Events {
    completion: Completion,
    pending: FxHashMap<EventId, Pending>,
    /// For each stream the number below which its events are done: its work ends in order.
    done: FxHashMap<StreamId, u64>,
    destroyed: FxHashSet<StreamId>,
    epoch: u64,
    next: u64,
}

impl Events {
    pub(super) fn new(completion: Completion) -> Self {
        let (pending, done) = (FxHashMap::default(), FxHashMap::default());
        Self { completion, pending, done, destroyed: FxHashSet::default(), epoch: 0, next: 0 }
    }

    pub(super) fn destroy_stream(&mut self, stream: StreamId) {
        self.destroyed.insert(stream);
    }

    pub(super) fn make_stream(&mut self, stream: StreamId) {
        self.destroyed.remove(&stream);
    }

    /// How many were recorded and not dropped.
    pub(super) fn count(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn check_stream(
        &self,
        call: &'static str,
        stream: StreamId,
    ) -> Result<(), DeviceError> {
        let is_destroyed = self.destroyed.contains(&stream);
        let destroyed = DeviceError::Invalid { call, reason: "the stream was destroyed" };
        if is_destroyed { Err(destroyed) } else { Ok(()) }
    }

    pub(super) fn record(&mut self, stream: StreamId) -> EventId {
        let event = EventId(self.next);
        self.next += 1;
        self.pending.insert(event, Pending { stream, epoch: self.epoch, asked: 0 });
        event
    }

    fn get(&mut self, call: &'static str, event: EventId) -> Result<&mut Pending, DeviceError> {
        let unknown = DeviceError::Invalid { call, reason: "there is no such event" };
        self.pending.get_mut(&event).ok_or(unknown)
    }

    pub(super) fn ask(&mut self, event: EventId) -> Result<bool, DeviceError> {
        let (epoch, completion) = (self.epoch, self.completion);
        let stream = self.get("query event", event)?.stream;
        let done = self.done.get(&stream).copied().unwrap_or_default();
        let pending = self.get("query event", event)?;
        if event.0 < done || pending.epoch < epoch {
            return Ok(true);
        }
        let waits = match completion {
            Completion::AtOnce => false,
            Completion::AfterQueries(queries) => pending.asked < queries,
            Completion::WhenTold => true,
            Completion::WhenToldFrom(first) => first <= stream,
        };
        pending.asked += 1;
        // A stream's work ends in order, whichever of its events was asked about.
        if !waits && completion != Completion::AtOnce {
            self.wait(event)?;
        }
        Ok(!waits)
    }

    pub(super) fn wait(&mut self, event: EventId) -> Result<(), DeviceError> {
        let stream = self.get("wait for event", event)?.stream;
        let done = self.done.entry(stream).or_default();
        *done = (*done).max(event.0 + 1);
        Ok(())
    }

    pub(super) fn forget(&mut self, event: EventId) -> Result<(), DeviceError> {
        self.get("drop event", event)?;
        self.pending.remove(&event);
        Ok(())
    }

    pub(super) fn finish_all(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn finish_stream(&mut self, stream: StreamId) {
        self.done.insert(stream, self.next);
    }
}
