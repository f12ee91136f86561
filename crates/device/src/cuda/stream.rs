//! Streams and events of a card.

use std::ffi::{c_uint, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use gapless_units::StreamId;

use super::context::{Context, Refusal};

/// Events that keep no time, which cost less (`CU_EVENT_DISABLE_TIMING`).
const NO_TIMES: c_uint = 2;
/// Streams that do not wait for the default stream (`CU_STREAM_NON_BLOCKING`).
const NON_BLOCKING: c_uint = 1;

/// A stream, ended with the value where it was made here.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) context: Arc<Context>,
    pub(super) raw: *mut c_void,
    is_own: bool,
}

// SAFETY: the driver's functions may be called from any thread, and the pointer is only handed to them.
unsafe impl Send for Stream {}
// SAFETY: likewise.
unsafe impl Sync for Stream {}

impl Stream {
    /// The default stream.
    pub(super) fn default_of(context: Arc<Context>) -> Self {
        Self { context, raw: null_mut(), is_own: false }
    }

    pub(super) fn make(context: Arc<Context>) -> Result<Self, Refusal> {
        let mut stream = null_mut();
        {
            let _entered = context.enter()?;
            // SAFETY: it writes to a place of ours.
            unsafe { context.driver.make_stream(&raw mut stream, NON_BLOCKING) }?;
        }
        Ok(Self { context, raw: stream, is_own: true })
    }

    /// # Safety
    ///
    /// It is a stream of the context, and lives as long as this value and what is made of it.
    pub(super) unsafe fn adopt(context: Arc<Context>, stream: *mut c_void) -> Self {
        Self { context, raw: stream, is_own: false }
    }

    pub(super) fn id(&self) -> StreamId {
        StreamId(self.raw.expose_provenance() as u64)
    }

    pub(super) fn wait(&self) -> Result<(), Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: the stream lives.
        unsafe { self.context.driver.wait_for_stream(self.raw) }
    }

    pub(super) fn wait_for(&self, event: &Event) -> Result<(), Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: both live.
        unsafe { self.context.driver.make_stream_wait(self.raw, event.raw, 0) }
    }

    /// An event at the end of the work so far.
    pub(super) fn record(&self) -> Result<Event, Refusal> {
        let _entered = self.context.enter()?;
        let mut event = null_mut();
        // SAFETY: it writes to a place of ours.
        unsafe { self.context.driver.make_event(&raw mut event, NO_TIMES) }?;
        let event = Event { context: Arc::clone(&self.context), raw: event };
        // SAFETY: both live.
        unsafe { self.context.driver.record_event(event.raw, self.raw) }?;
        Ok(event)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_own
            && let Ok(_entered) = self.context.enter()
        {
            // SAFETY: it was made here, and this is the only time. Its work goes on.
            let _ = unsafe { self.context.driver.destroy_stream(self.raw) };
        }
    }
}

/// An event, forgotten with the value.
#[derive(Debug)]
pub(super) struct Event {
    context: Arc<Context>,
    raw: *mut c_void,
}

// SAFETY: the driver's functions may be called from any thread, and the pointer is only handed to them.
unsafe impl Send for Event {}
// SAFETY: likewise.
unsafe impl Sync for Event {}

impl Event {
    pub(super) fn is_complete(&self) -> Result<bool, Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: the event lives.
        match unsafe { self.context.driver.query_event(self.raw) } {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.is_not_ready() => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn wait(&self) -> Result<(), Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: the event lives.
        unsafe { self.context.driver.wait_for_event(self.raw) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: it was made here, and this is the only time.
            let _ = unsafe { self.context.driver.destroy_event(self.raw) };
        }
    }
}
