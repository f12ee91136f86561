//! Graphs: work of a stream that is captured instead of done, and done as often as it is launched.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use super::context::{Context, Refusal};
use super::stream::Stream;

/// Calls of any thread that a capture does not allow end it (`CU_STREAM_CAPTURE_MODE_GLOBAL`).
const FOR_ALL_THREADS: i32 = 0;

/// A graph that can be launched.
#[derive(Debug)]
pub(super) struct Graph {
    context: Arc<Context>,
    raw: *mut c_void,
}

// SAFETY: the driver's functions may be called from any thread, and the pointer is only handed to them;
// whoever launches it has it for itself.
unsafe impl Send for Graph {}

impl Stream {
    /// Captures what is queued from now on.
    pub(super) fn begin_capture(&self) -> Result<(), Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: the stream lives.
        unsafe { self.context.driver.begin_capture(self.raw, FOR_ALL_THREADS) }
    }

    /// Ends a capture; what was captured, where nothing spoiled it.
    pub(super) fn end_capture(&self) -> Result<Graph, Refusal> {
        let _entered = self.context.enter()?;
        let driver = &self.context.driver;
        let (mut captured, mut graph) = (null_mut(), null_mut());
        // SAFETY: the stream lives, and it writes to a place of ours.
        unsafe { driver.end_capture(self.raw, &raw mut captured) }?;
        // SAFETY: what was captured lives, and it writes to a place of ours.
        let made = unsafe { driver.instantiate(&raw mut graph, captured, 0) };
        // SAFETY: it was captured just now, and this is the only time. What was made of it stays.
        let _ = unsafe { driver.destroy_captured(captured) };
        made.map(|()| Graph { context: Arc::clone(&self.context), raw: graph })
    }
}

impl Graph {
    /// Queues all of its work on a stream.
    pub(super) fn launch(&mut self, stream: &Stream) -> Result<(), Refusal> {
        let _entered = self.context.enter()?;
        // SAFETY: both live.
        unsafe { self.context.driver.launch_graph(self.raw, stream.raw) }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: it was made here, and this is the only time.
            let _ = unsafe { self.context.driver.destroy_graph(self.raw) };
        }
    }
}
