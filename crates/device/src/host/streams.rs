//! All streams of the host's device: their queues, the events on them, and what went wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

use gapless_units::{Extent, StreamId};
use rustc_hash::FxHashMap;

use super::complaint::{Complaint, Fault};
use super::queue::{Item, Mark, Queue};
use super::work::Work;
use crate::device::{DeviceError, EventId};

/// When streams do what is queued on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As soon as they can.
    #[default]
    AtOnce,
    /// When somebody waits for it, and no more than is waited for. So streams lag as far behind as
    /// a program lets them, on any machine alike.
    WhenAwaited,
}

/// What a stream's worker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// This work.
    Perform(Work),
    /// Look again: something that takes no time was done.
    Passed,
    /// Wait until the queue changes.
    Rest,
    /// Wait until another stream goes on.
    Follow,
    /// End.
    End,
}

#[derive(Debug)]
pub(super) struct Streams {
    pace: Pace,
    queues: BTreeMap<StreamId, Queue>,
    events: FxHashMap<EventId, Mark>,
    next_event: u64,
    complaints: Vec<Complaint>,
    fault: Option<Fault>,
    is_closing: bool,
}

impl Streams {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            queues: BTreeMap::new(),
            events: FxHashMap::default(),
            next_event: 0,
            complaints: Vec::new(),
            fault: None,
            is_closing: false,
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(super) fn complaints(&self) -> &[Complaint] {
        &self.complaints
    }

    pub(super) fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
        if let Complaint::Fault(fault) = complaint {
            self.fault.get_or_insert(fault);
            // Nothing more is done. Who waits for an answer learns it from the queue's end.
            for queue in self.queues.values_mut() {
                queue.items.clear();
            }
        }
    }

    /// The error that a device of no use answers with.
    pub(super) fn check(&self, call: &'static str) -> Result<(), DeviceError> {
        let told = |fault: Fault| DeviceError::Driver { call, reason: fault.to_string() };
        self.fault.map_or(Ok(()), |fault| Err(told(fault)))
    }

    /// Where a stream stands now: behind all that is queued on it.
    pub(super) fn end_of(&self, stream: StreamId) -> Mark {
        let count = self.queues.get(&stream).map_or(0, Queue::end);
        Mark { stream, count }
    }

    /// The ends of all streams.
    pub(super) fn ends(&self) -> Vec<Mark> {
        self.queues.iter().map(|(&stream, queue)| Mark { stream, count: queue.end() }).collect()
    }

    pub(super) fn is_done(&self, mark: Mark) -> bool {
        self.queues.get(&mark.stream).is_none_or(|queue| mark.count <= queue.done)
    }

    /// Lets streams go on as far as this place needs.
    pub(super) fn allow(&mut self, mark: Mark) {
        let mut marks = vec![mark];
        while let Some(Mark { stream, count }) = marks.pop() {
            if let Some(queue) = self.queues.get_mut(&stream) {
                marks.extend(queue.allow(count));
            }
        }
    }

    /// Something that is not done and uses some of these addresses.
    pub(super) fn use_of(&self, range: Extent) -> Option<(StreamId, Extent)> {
        let found = |(&stream, queue): (&StreamId, &Queue)| Some((stream, queue.use_of(range)?));
        self.queues.iter().find_map(found)
    }
}

/// Events.
impl Streams {
    pub(super) fn record(&mut self, stream: StreamId) -> EventId {
        let event = EventId(self.next_event);
        self.next_event += 1;
        self.events.insert(event, self.end_of(stream));
        event
    }

    pub(super) fn mark_of(&self, call: &'static str, event: EventId) -> Result<Mark, DeviceError> {
        let unknown = DeviceError::Invalid { call, reason: "there is no such event" };
        self.events.get(&event).copied().ok_or(unknown)
    }

    pub(super) fn forget(&mut self, call: &'static str, event: EventId) -> Result<(), DeviceError> {
        self.mark_of(call, event)?;
        self.events.remove(&event);
        Ok(())
    }
}

/// Queues and their workers.
impl Streams {
    pub(super) fn has(&self, stream: StreamId) -> bool {
        self.queues.contains_key(&stream)
    }

    /// Makes the queue of a stream whose worker `start` starts.
    pub(super) fn add<E>(
        &mut self,
        stream: StreamId,
        start: impl FnOnce(Arc<Condvar>) -> Result<JoinHandle<()>, E>,
    ) -> Result<(), E> {
        let mut queue = Queue::new(self.pace == Pace::AtOnce);
        queue.worker = Some(start(Arc::clone(&queue.wake))?);
        self.queues.insert(stream, queue);
        Ok(())
    }

    /// Queues something; where it stands.
    pub(super) fn push(&mut self, stream: StreamId, item: Item) -> Mark {
        let mark = self.end_of(stream);
        if let Some(queue) = self.queues.get_mut(&stream) {
            queue.items.push_back(item);
            queue.wake.notify_one();
        }
        mark
    }

    /// Opens the gate at this place.
    pub(super) fn open_gate(&mut self, mark: Mark) {
        if let Some(queue) = self.queues.get_mut(&mark.stream) {
            queue.open_gate(mark.count);
        }
    }

    /// What the worker of a stream does next.
    pub(super) fn next(&mut self, stream: StreamId) -> Next {
        let first = self.queues.get(&stream).and_then(|queue| queue.items.front());
        let follows = matches!(first, Some(Item::Wait(mark)) if !self.is_done(*mark));
        let queue = self.queues.get_mut(&stream).filter(|_| !self.is_closing);
        let Some(queue) = queue else { return Next::End };
        if queue.allowed <= queue.done {
            return Next::Rest;
        }
        match queue.items.front_mut() {
            Some(Item::Work { work, .. }) => work.take().map_or(Next::Rest, Next::Perform),
            Some(Item::Wait(_)) if follows => Next::Follow,
            None | Some(Item::Gate { is_open: false }) => Next::Rest,
            Some(Item::Wait(_) | Item::Gate { is_open: true }) => {
                queue.pass();
                Next::Passed
            }
        }
    }

    /// The work that the worker of a stream was given is done.
    pub(super) fn finish(&mut self, stream: StreamId, outcome: Result<(), Complaint>) {
        if let Some(queue) = self.queues.get_mut(&stream) {
            queue.pass();
        }
        if let Err(complaint) = outcome {
            self.complain(complaint);
        }
    }

    /// Lets no worker go on; the workers, which end.
    pub(super) fn close(&mut self) -> Vec<JoinHandle<()>> {
        self.is_closing = true;
        for queue in self.queues.values() {
            queue.wake.notify_one();
        }
        self.queues.values_mut().filter_map(|queue| queue.worker.take()).collect()
    }
}
