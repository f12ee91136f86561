//! A program through PyTorch's allocator over a simulated device.

use gapless_allocator::caching::BlockId;
use gapless_allocator::{AllocationError, CachingAllocator, FreeError, Observer, Statistics};
use gapless_device::{Completion, DeviceError, Sim};
use gapless_trace::Totals;
use gapless_units::{Bytes, StreamId};

use crate::outcome::{Failure, Outcome};
use crate::program::{Operation, Program, RequestId};
use crate::setup::{OnFailure, Setup};
use crate::start::Start;

/// Streams from here on stand for "whatever other stream still uses this block", one for each
/// block, since a recording does not say which. No framework's stream has such a handle.
pub(crate) const LINGERING: u64 = 1 << 63;

/// Is told what the allocator does, and for which operation.
pub trait Watcher: Observer {
    /// This operation comes next.
    fn next_operation(&mut self, program: &Program, operation: usize);
}

/// Nobody watches.
impl Watcher for () {
    fn next_operation(&mut self, _: &Program, _: usize) {}
}

/// A replay that went to its end, with the allocator as it was left.
#[derive(Debug)]
pub struct Run<W = ()> {
    /// What became of it.
    pub outcome: Outcome,
    /// The allocator at the end.
    pub allocator: CachingAllocator<Sim, W>,
    /// The block that each request of the program has at the end.
    pub blocks: Vec<Option<BlockId>>,
}

/// Why a replay could not be carried out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The device failed, which a simulated one does only where a setting asks the impossible.
    #[error("operation {operation} cannot be replayed")]
    Device {
        /// The operation.
        operation: usize,
        /// What the device said.
        source: DeviceError,
    },
    /// The allocator lost a block it had handed out.
    #[error("operation {operation} cannot be replayed")]
    Free {
        /// The operation.
        operation: usize,
        /// What the allocator said.
        source: FreeError,
    },
    /// The state before the first event cannot be taken over.
    #[error("the state before the first event cannot be taken over")]
    Start(#[from] gapless_allocator::caching::AdoptError),
}

/// Replays a program and tells what became of it.
pub fn run(program: &Program, start: &Start, setup: &Setup) -> Result<Outcome, ReplayError> {
    run_watched(program, start, setup, ()).map(|run| run.outcome)
}

/// Replays a program while somebody watches.
pub fn run_watched<W: Watcher>(
    program: &Program,
    start: &Start,
    setup: &Setup,
    watcher: W,
) -> Result<Run<W>, ReplayError> {
    let mut replay = Replay::new(program, start, setup, watcher)?;
    let mut failures = Vec::new();
    let mut operations = program.operations.len();
    for index in 0..program.operations.len() {
        if let Some(failure) = replay.step(index)? {
            failures.push(failure);
            if setup.on_failure == OnFailure::Stop {
                operations = index;
                break;
            }
        }
    }
    Ok(replay.finish(failures, operations))
}

/// A replay under way.
pub(crate) struct Replay<'p, W> {
    pub(crate) program: &'p Program,
    pub(crate) allocator: CachingAllocator<Sim, W>,
    /// The block that each request got.
    pub(crate) blocks: Vec<Option<BlockId>>,
}

impl<'p, W: Watcher> Replay<'p, W> {
    pub(crate) fn new(
        program: &'p Program,
        start: &Start,
        setup: &Setup,
        watcher: W,
    ) -> Result<Self, ReplayError> {
        // What lingers in a recording completes where the recording says.
        let told = program.has_completions();
        let completion = if told { Completion::WhenTold } else { setup.completion };
        let device = setup.device(completion);
        let mut allocator = CachingAllocator::new(device, &setup.settings, setup.release, watcher);
        let mut blocks = vec![None; program.requests.len()];
        start.enter(&mut allocator, &mut blocks)?;
        let mut replay = Self { program, allocator, blocks };
        for &pending in &start.pending {
            replay.free(pending).map_err(|source| ReplayError::Free { operation: 0, source })?;
        }
        Ok(replay)
    }

    /// Carries out one operation; a failure where it is a request that fails.
    #[inline]
    pub(crate) fn step(&mut self, index: usize) -> Result<Option<Failure>, ReplayError> {
        self.allocator.observer_mut().next_operation(self.program, index);
        let freed = |source| ReplayError::Free { operation: index, source };
        let device = |source| ReplayError::Device { operation: index, source };
        match self.program.operations[index] {
            Operation::Allocate(id) => return self.allocate(index, id, true),
            Operation::Fail(id) => return self.allocate(index, id, false),
            Operation::Free(id) => self.free(id).map_err(freed)?,
            Operation::Complete(id) => {
                self.allocator.device_mut().finish_work_on(lingering(id));
                self.allocator.process_events().map_err(device)?;
            }
            Operation::RecordStream(id, stream) => {
                if let Some(block) = self.blocks[id.index()] {
                    self.allocator.record_stream(block, stream).map_err(freed)?;
                }
            }
            Operation::EmptyCache => self.allocator.empty_cache().map_err(device)?,
            Operation::Synchronize => self.allocator.device_mut().finish_all_work(),
        }
        Ok(None)
    }

    #[inline]
    fn allocate(
        &mut self,
        operation: usize,
        id: RequestId,
        keeps: bool,
    ) -> Result<Option<Failure>, ReplayError> {
        let request = &self.program.requests[id.index()];
        if request.size.is_zero() {
            // PyTorch answers such a request before its allocator hears of it.
            return Ok(None);
        }
        match self.allocator.allocate_in(request.pool, request.size, request.stream) {
            Ok(block) => {
                self.blocks[id.index()] = Some(block);
                if !keeps {
                    self.free(id).map_err(|source| ReplayError::Free { operation, source })?;
                }
                Ok(None)
            }
            Err(AllocationError::Device(source)) => Err(ReplayError::Device { operation, source }),
            Err(reason) => Ok(Some(Failure {
                operation,
                event: self.program.events[operation] as usize,
                requested: request.size,
                stream: request.stream,
                pool: request.pool,
                totals: current(self.allocator.statistics()),
                reason,
            })),
        }
    }

    #[inline]
    fn free(&mut self, id: RequestId) -> Result<(), FreeError> {
        let Some(block) = self.blocks[id.index()].take() else { return Ok(()) };
        if self.program.requests[id.index()].lingers {
            self.allocator.record_stream(block, lingering(id))?;
        }
        self.allocator.free(block)
    }

    pub(crate) fn finish(self, failures: Vec<Failure>, operations: usize) -> Run<W> {
        let statistics = *self.allocator.statistics();
        let device = self.allocator.device();
        let (calls, modelled_nanos) = (device.calls(), device.modelled_nanos());
        let (peak, end) = (peak(&statistics), current(&statistics));
        let outcome =
            Outcome { failures, operations, peak, end, statistics, calls, modelled_nanos };
        Run { outcome, allocator: self.allocator, blocks: self.blocks }
    }
}

/// The stream that stands for whatever still uses this request's block.
pub(crate) fn lingering(id: RequestId) -> StreamId {
    StreamId(LINGERING | u64::from(id.0))
}

/// The four sums as they are.
pub(crate) fn current(statistics: &Statistics) -> Totals {
    Totals {
        requested: Bytes::new(statistics.requested_bytes.all.current),
        allocated: Bytes::new(statistics.allocated_bytes.all.current),
        active: Bytes::new(statistics.active_bytes.all.current),
        reserved: Bytes::new(statistics.reserved_bytes.all.current),
    }
}

/// The most each of the four sums was.
fn peak(statistics: &Statistics) -> Totals {
    Totals {
        requested: Bytes::new(statistics.requested_bytes.all.peak),
        allocated: Bytes::new(statistics.allocated_bytes.all.peak),
        active: Bytes::new(statistics.active_bytes.all.peak),
        reserved: Bytes::new(statistics.reserved_bytes.all.peak),
    }
}
