//! What a recorded program did to its allocator, without where it got its memory.

use std::collections::BTreeSet;

use gapless_trace::{Action, AllocationId, Instant, StackId, Trace};
use gapless_units::{Bytes, PoolId, StreamId};

use crate::groups::{Group, groups};
use crate::requests::{RequestId, Requested, requests_of};

/// One thing a program does to its allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Asks for memory.
    Allocate(RequestId),
    /// Asks for memory that the recorded program did not get. What it would have done with it is
    /// not known, so it is given back at once where it is got.
    Fail(RequestId),
    /// Gives memory back.
    Free(RequestId),
    /// The other streams that use a block given back are done with it; recordings say when.
    Complete(RequestId),
    /// Uses a block on another stream; operation lists say so.
    RecordStream(RequestId, StreamId),
    /// Empties the cache.
    EmptyCache,
    /// Waits for the device.
    Synchronize,
}

/// What a program did to its allocator.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// What it did, in order.
    pub operations: Vec<Operation>,
    /// For each operation the event of the trace it stands for.
    pub events: Vec<u32>,
    /// What it asked for: the allocations of the trace, those older than the recording first.
    pub requests: Vec<Requested>,
    /// How many of the requests were met before the recording began.
    pub older: usize,
    prelude: usize,
    /// Those of them that the program had let go of and other streams still used.
    pending: Vec<RequestId>,
}

impl Program {
    /// What the program of a trace did.
    ///
    /// Emptying the cache is no event of a recording. It shows as memory that goes back to the
    /// device without a request that needed the room; such a burst becomes one
    /// [`Operation::EmptyCache`]. What completed while a request waited for every stream comes
    /// behind that request, which did not profit from it.
    pub fn of(trace: &Trace) -> Self {
        let older = trace.allocations.partition_point(|a| a.born == Instant::START);
        let pending =
            trace.allocations[..older].iter().zip(0..).filter(|(a, _)| a.let_go == Instant::START);
        let pending = pending.map(|(_, id)| RequestId(id)).collect();
        let mut program = Self { requests: requests_of(trace), older, pending, ..Self::default() };
        if trace.is_placed() {
            for group in groups(trace) {
                program.add_group(trace, &group);
            }
        } else {
            for index in 0..trace.events.len() {
                if trace.events.actions()[index] != Action::FreeCompleted {
                    program.add(trace, index);
                }
            }
        }
        program
    }

    /// The events of one call of the program, in the order in which they took effect.
    fn add_group(&mut self, trace: &Trace, group: &Group) {
        if let Some(burst) = group.empties_cache {
            self.push(burst, Operation::EmptyCache);
        }
        let is_completion = |&index: &usize| trace.events.actions()[index] == Action::FreeCompleted;
        let (completions, others): (Vec<usize>, Vec<usize>) =
            group.events.clone().partition(is_completion);
        let (first, last) = if group.waits { (others, completions) } else { (completions, others) };
        // A free that needs no other stream completes right behind its request.
        for index in first.into_iter().chain(last) {
            self.add(trace, index);
        }
    }

    fn add(&mut self, trace: &Trace, index: usize) {
        let event = trace.events.get(index);
        let request = trace.subject(index).map(|id| RequestId(id.0));
        let operation = match (event.action, request) {
            (Action::Alloc, Some(id)) => Operation::Allocate(id),
            (Action::FreeRequested, Some(id)) => Operation::Free(id),
            // Some recorders leave out one half of a free.
            (Action::FreeCompleted, Some(id))
                if trace.allocation(AllocationId(id.0)).let_go == Instant::after(index) =>
            {
                Operation::Free(id)
            }
            (Action::FreeCompleted, Some(id)) if self.requests[id.index()].lingers => {
                Operation::Complete(id)
            }
            (Action::RecordStream, Some(id)) => Operation::RecordStream(id, event.stream),
            (Action::EmptyCache, _) => Operation::EmptyCache,
            (Action::Synchronize, _) => Operation::Synchronize,
            (Action::OutOfMemory, _) => {
                let id = RequestId(u32::try_from(self.requests.len()).unwrap_or(u32::MAX));
                self.requests.push(Requested {
                    size: event.size,
                    stream: event.stream,
                    pool: event.pool.unwrap_or_default(),
                    stack: event.stack,
                    lingers: false,
                });
                Operation::Fail(id)
            }
            _ => return,
        };
        self.push(index, operation);
    }

    fn push(&mut self, event: usize, operation: Operation) {
        self.events.push(u32::try_from(event).unwrap_or(u32::MAX));
        self.operations.push(operation);
    }

    /// The same program begun on an empty allocator: what was there before the recording is asked
    /// for first, in the order of addresses, since the true order is not known. Under settings
    /// other than the recorded ones the recorded state could never have come about; this is the
    /// nearest that could.
    #[must_use]
    pub fn begun_anew(&self) -> Self {
        let mut program = Self { requests: self.requests.clone(), ..Self::default() };
        let older = (0..).map(RequestId).take(self.older);
        let first = older.map(Operation::Allocate);
        let first = first.chain(self.pending.iter().copied().map(Operation::Free));
        for operation in first {
            program.push(0, operation);
        }
        program.prelude = program.operations.len();
        program.operations.extend(&self.operations);
        program.events.extend(&self.events);
        program
    }

    /// The same where what failed is asked for all the same, and given back at once where it is got.
    #[must_use]
    pub fn asking_what_failed(&self) -> Self {
        let mut program = self.clone();
        let expand = |(&operation, &event): (&Operation, &u32)| {
            if let Operation::Fail(id) = operation {
                vec![(Operation::Allocate(id), event), (Operation::Free(id), event)]
            } else {
                vec![(operation, event)]
            }
        };
        let operations = self.operations.iter().zip(&self.events).flat_map(expand);
        (program.operations, program.events) = operations.unzip();
        program
    }

    /// One more request of the default stream and pool behind everything else.
    pub fn ask_at_end(&mut self, size: Bytes) {
        let id = RequestId(u32::try_from(self.requests.len()).unwrap_or(u32::MAX));
        let (stream, pool, stack) = (StreamId::DEFAULT, PoolId::DEFAULT, StackId::NONE);
        self.requests.push(Requested { size, stream, pool, stack, lingers: false });
        self.extend([Operation::Allocate(id)]);
    }

    /// Asks behind everything else for what a request asked for.
    pub(crate) fn ask_again(&mut self, id: RequestId) -> RequestId {
        let new = RequestId(u32::try_from(self.requests.len()).unwrap_or(u32::MAX));
        self.requests.push(self.requests[id.index()]);
        self.extend([Operation::Allocate(new)]);
        new
    }

    /// Does this behind everything else; it stands for the last event there is.
    pub(crate) fn extend(&mut self, operations: impl IntoIterator<Item = Operation>) {
        let event = self.events.last().copied().unwrap_or(0);
        self.operations.extend(operations);
        self.events.resize(self.operations.len(), event);
    }

    /// How many operations stand before the first of the recording: those of
    /// [`Program::begun_anew`].
    pub fn prelude(&self) -> usize {
        self.prelude
    }

    /// The streams that it names.
    pub(crate) fn streams(&self) -> BTreeSet<StreamId> {
        let own = self.requests.iter().map(|request| request.stream);
        let others = self.operations.iter().filter_map(|operation| match *operation {
            Operation::RecordStream(_, stream) => Some(stream),
            Operation::Allocate(_)
            | Operation::Fail(_)
            | Operation::Free(_)
            | Operation::Complete(_)
            | Operation::EmptyCache
            | Operation::Synchronize => None,
        });
        own.chain(others).collect()
    }

    /// The first operation of the recording at or behind an instant of it.
    pub fn operation_at(&self, instant: Instant) -> usize {
        let recorded = &self.events[self.prelude..];
        let before = |&event: &u32| (event as usize) < instant.events();
        self.prelude + recorded.partition_point(before)
    }

    /// How many of its requests failed when it was recorded.
    pub fn failed(&self) -> usize {
        let failed = |operation: &&Operation| matches!(operation, Operation::Fail(_));
        self.operations.iter().filter(failed).count()
    }

    /// Whether it tells when other streams were done with a block.
    pub(crate) fn has_completions(&self) -> bool {
        self.requests.iter().any(|request| request.lingers)
    }

    /// The most bytes alive at once after rounding by `round`: less than that no allocator needs.
    pub fn live_peak(&self, round: impl Fn(Bytes) -> Bytes) -> Bytes {
        self.peak(round, true)
    }

    /// The same without the requests that failed when it was recorded.
    pub fn met_peak(&self, round: impl Fn(Bytes) -> Bytes) -> Bytes {
        self.peak(round, false)
    }

    fn peak(&self, round: impl Fn(Bytes) -> Bytes, with_failed: bool) -> Bytes {
        let size = |id: RequestId| round(self.requests[id.index()].size);
        let mut live: Bytes = (0..self.older)
            .filter_map(|index| u32::try_from(index).ok())
            .map(|index| size(RequestId(index)))
            .sum();
        let mut peak = live;
        for operation in &self.operations {
            match *operation {
                Operation::Allocate(id) => {
                    live += size(id);
                    peak = peak.max(live);
                }
                Operation::Fail(id) if with_failed => peak = peak.max(live + size(id)),
                Operation::Free(id) => live = live.saturating_sub(size(id)),
                Operation::Fail(_)
                | Operation::Complete(_)
                | Operation::RecordStream(..)
                | Operation::EmptyCache
                | Operation::Synchronize => {}
            }
        }
        peak
    }
}
