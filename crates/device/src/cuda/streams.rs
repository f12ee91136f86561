//! Streams and events by their ids.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;

use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::context::Context;
use super::stream::{Event, Stream};
use crate::device::{DeviceError, EventId};

/// Whoever waits for one keeps it meanwhile, also where another thread forgets it.
#[derive(Debug)]
pub(super) struct Streams {
    context: Arc<Context>,
    known: BTreeMap<StreamId, Arc<Stream>>,
    events: FxHashMap<EventId, Arc<Event>>,
    next_event: u64,
}

impl Streams {
    pub(super) fn new(context: Arc<Context>) -> Self {
        let default = Arc::new(Stream::default_of(Arc::clone(&context)));
        let known = BTreeMap::from([(StreamId::DEFAULT, default)]);
        Self { context, known, events: FxHashMap::default(), next_event: 0 }
    }

    pub(super) fn make(&mut self) -> Result<StreamId, DeviceError> {
        let made = Stream::make(Arc::clone(&self.context));
        let stream = made.map_err(|refusal| refusal.told("make stream"))?;
        Ok(self.keep(stream))
    }

    /// # Safety
    ///
    /// It is a stream of the context, and lives until it is forgotten and nobody has it from here.
    #[expect(unsafe_code, reason = "only the caller knows what the pointer points to")]
    pub(super) unsafe fn adopt(&mut self, stream: *mut c_void) -> StreamId {
        // SAFETY: the caller says so.
        let stream = unsafe { Stream::adopt(Arc::clone(&self.context), stream) };
        self.keep(stream)
    }

    fn keep(&mut self, stream: Stream) -> StreamId {
        let id = stream.id();
        self.known.entry(id).or_insert_with(|| Arc::new(stream));
        id
    }

    /// Answers what is forgotten: dropping it is a call of the driver.
    pub(super) fn forget(&mut self, stream: StreamId) -> Result<Arc<Stream>, DeviceError> {
        let call = "forget stream";
        if stream == StreamId::DEFAULT {
            return Err(DeviceError::Invalid { call, reason: "the default stream stays" });
        }
        self.known.remove(&stream).ok_or(no_stream(call))
    }

    pub(super) fn stream(
        &self,
        call: &'static str,
        stream: StreamId,
    ) -> Result<Arc<Stream>, DeviceError> {
        self.known.get(&stream).cloned().ok_or(no_stream(call))
    }

    pub(super) fn event(
        &self,
        call: &'static str,
        event: EventId,
    ) -> Result<Arc<Event>, DeviceError> {
        self.events.get(&event).cloned().ok_or(no_event(call))
    }

    /// Gives an event an id.
    pub(super) fn keep_event(&mut self, event: Event) -> EventId {
        let id = EventId(self.next_event);
        self.next_event += 1;
        self.events.insert(id, Arc::new(event));
        id
    }

    /// Answers what is forgotten: dropping it is a call of the driver.
    pub(super) fn drop_event(&mut self, event: EventId) -> Result<Arc<Event>, DeviceError> {
        self.events.remove(&event).ok_or(no_event("drop event"))
    }
}

fn no_stream(call: &'static str) -> DeviceError {
    DeviceError::Invalid { call, reason: "there is no such stream" }
}

fn no_event(call: &'static str) -> DeviceError {
    DeviceError::Invalid { call, reason: "there is no such event" }
}
