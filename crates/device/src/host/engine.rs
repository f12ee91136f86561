//! The host's device at work: its memory, its streams, and the threads that do what is queued.
//!
//! Two locks. *Memory* is held for reading by work while it runs, and for writing by calls that
//! change what is mapped: so nothing is unmapped under running work. *Streams* is held for moments
//! only. Nobody takes one while holding the other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use gapless_units::StreamId;

use super::memory::Memory;
use super::queue::{Item, Mark};
use super::streams::{Next, Streams};
use crate::device::DeviceError;

#[derive(Debug)]
pub(super) struct Engine {
    memory: RwLock<Memory>,
    streams: Mutex<Streams>,
    /// Told whenever a stream went on, or the device came to be of no use.
    progress: Condvar,
}

impl Engine {
    pub(super) fn new(memory: Memory, streams: Streams) -> Self {
        let (memory, streams) = (RwLock::new(memory), Mutex::new(streams));
        Self { memory, streams, progress: Condvar::new() }
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues something on a stream, whose worker starts with the first; where it stands.
    pub(super) fn push(
        self: &Arc<Self>,
        call: &'static str,
        stream: StreamId,
        item: Item,
    ) -> Result<Mark, DeviceError> {
        let mut streams = self.streams();
        streams.check(call)?;
        if !streams.has(stream) {
            self.start(&mut streams, stream).map_err(|error| {
                let reason = error.to_string();
                DeviceError::Driver { call, reason }
            })?;
        }
        Ok(streams.push(stream, item))
    }

    #[expect(clippy::disallowed_methods, reason = "a stream is a thread here; results are memory")]
    fn start(self: &Arc<Self>, streams: &mut Streams, stream: StreamId) -> std::io::Result<()> {
        streams.add(stream, |wake| {
            let engine = Arc::clone(self);
            let worker = thread::Builder::new().name(format!("stream {stream}"));
            worker.spawn(move || engine.work(stream, &wake))
        })
    }

    /// Waits until streams have come as far as these places.
    pub(super) fn wait(&self, call: &'static str, marks: &[Mark]) -> Result<(), DeviceError> {
        let mut streams = self.streams();
        for &mark in marks {
            streams.allow(mark);
        }
        loop {
            streams.check(call)?;
            if marks.iter().all(|&mark| streams.is_done(mark)) {
                return Ok(());
            }
            streams = rest(&self.progress, streams);
        }
    }

    /// Opens the gate at this place.
    pub(super) fn open_gate(&self, mark: Mark) {
        self.streams().open_gate(mark);
    }

    /// Ends all workers. What is queued is not done any more.
    pub(super) fn close(&self) {
        let workers = self.streams().close();
        self.progress.notify_all();
        for worker in workers {
            // A worker that panicked has said so.
            let _ = worker.join();
        }
    }

    /// What the worker of a stream does.
    fn work(&self, stream: StreamId, wake: &Condvar) {
        let mut streams = self.streams();
        loop {
            match streams.next(stream) {
                Next::End => return,
                Next::Rest => streams = rest(wake, streams),
                Next::Follow => streams = rest(&self.progress, streams),
                Next::Passed => self.progress.notify_all(),
                Next::Perform(work) => {
                    drop(streams);
                    let outcome = work.perform(stream, &self.memory());
                    streams = self.streams();
                    streams.finish(stream, outcome);
                    self.progress.notify_all();
                }
            }
        }
    }
}

fn rest<'a>(condition: &Condvar, streams: MutexGuard<'a, Streams>) -> MutexGuard<'a, Streams> {
    condition.wait(streams).unwrap_or_else(PoisonError::into_inner)
}
