//! A program through an allocator over a simulated device.

use gapless_allocator::{
    AllocationError, Allocator, CachingAllocator, FreeError, GaplessAllocator, Observer, Statistics,
};
use gapless_device::{Completion, DeviceError, Sim};
use gapless_trace::Totals;
use gapless_units::{Bytes, StreamId};

use crate::gapless_settings::GaplessSettings;
use crate::outcome::{Failure, Outcome};
use crate::program::{Operation, Program};
use crate::requests::RequestId;
use crate::setup::{ENDLESS, OnFailure, Setup};
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

/// An allocator that somebody watches.
pub(crate) trait Watched: Allocator<Device = Sim> {
    /// Who does.
    type Watcher: Watcher;

    fn watcher_mut(&mut self) -> &mut Self::Watcher;
}

impl<W: Watcher> Watched for CachingAllocator<Sim, W> {
    type Watcher = W;

    #[inline]
    fn watcher_mut(&mut self) -> &mut W {
        self.observer_mut()
    }
}

impl<W: Watcher> Watched for GaplessAllocator<Sim, W> {
    type Watcher = W;

    #[inline]
    fn watcher_mut(&mut self) -> &mut W {
        self.observer_mut()
    }
}

/// A replay that went to its end, with the allocator as it was left.
#[derive(Debug)]
pub struct Run<A: Allocator = CachingAllocator<Sim>> {
    /// What became of it.
    pub outcome: Outcome,
    /// The allocator at the end.
    pub allocator: A,
    /// The block that each request of the program has at the end.
    pub blocks: Vec<Option<A::Block>>,
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
    /// The program needs more than a device without limit is taken to have.
    #[error("with {live} alive at once it needs more than the {ENDLESS} of the largest device")]
    TooMuch {
        /// What is alive at its peak.
        live: Bytes,
    },
    /// The state before the first event cannot be taken over.
    #[error("the state before the first event cannot be taken over")]
    Start(#[from] gapless_allocator::caching::AdoptError),
}

/// Replays a program through PyTorch's allocator and tells what became of it.
pub fn run(program: &Program, start: &Start, setup: &Setup) -> Result<Outcome, ReplayError> {
    run_watched(program, start, setup, ()).map(|run| run.outcome)
}

/// Replays a program through PyTorch's allocator while somebody watches.
pub fn run_watched<W: Watcher>(
    program: &Program,
    start: &Start,
    setup: &Setup,
    watcher: W,
) -> Result<Run<CachingAllocator<Sim, W>>, ReplayError> {
    Replay::from_start(program, start, setup, watcher)?.finish(setup.on_failure)
}

/// The same through our own allocator, which has nothing at the start.
pub(crate) fn run_ours<W: Watcher>(
    program: &Program,
    setup: &Setup,
    GaplessSettings { slack, page }: GaplessSettings,
    watcher: W,
) -> Result<Run<GaplessAllocator<Sim, W>>, ReplayError> {
    let device = setup.device(completion_of(program, setup.completion));
    let allocator = GaplessAllocator::with_pages(device, page, slack, watcher);
    Replay::new(program, allocator).finish(setup.on_failure)
}

/// When work on streams is done: where the recording says, or else as given.
pub(crate) fn completion_of(program: &Program, untold: Completion) -> Completion {
    if program.has_completions() { Completion::WhenToldFrom(StreamId(LINGERING)) } else { untold }
}

/// A request that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    request: RequestId,
    pub(crate) reason: AllocationError,
}

/// A program on its way through an allocator.
pub(crate) struct Replay<'p, A: Allocator> {
    pub(crate) program: &'p Program,
    pub(crate) allocator: A,
    /// The block that each request got.
    pub(crate) blocks: Vec<Option<A::Block>>,
}

impl<'p, W: Watcher> Replay<'p, CachingAllocator<Sim, W>> {
    /// PyTorch's allocator with what was there before.
    pub(crate) fn from_start(
        program: &'p Program,
        start: &Start,
        setup: &Setup,
        watcher: W,
    ) -> Result<Self, ReplayError> {
        // What lingers in a recording completes where the recording says.
        let told = program.has_completions();
        let completion = if told { Completion::WhenTold } else { setup.completion };
        let device = setup.device(completion);
        let allocator = CachingAllocator::new(device, &setup.settings, setup.release, watcher);
        let mut replay = Self::new(program, allocator);
        start.enter(&mut replay.allocator, &mut replay.blocks)?;
        for &pending in &start.pending {
            replay.free(pending).map_err(|source| ReplayError::Free { operation: 0, source })?;
        }
        Ok(replay)
    }
}

impl<'p, A: Allocator<Device = Sim>> Replay<'p, A> {
    pub(crate) fn new(program: &'p Program, allocator: A) -> Self {
        Self { program, allocator, blocks: vec![None; program.requests.len()] }
    }

    /// Carries out one operation; what was refused where it is a request that fails.
    #[inline]
    pub(crate) fn step(&mut self, index: usize) -> Result<Option<Refused>, ReplayError> {
        let freed = |source| ReplayError::Free { operation: index, source };
        let device = |source| ReplayError::Device { operation: index, source };
        match self.program.operations[index] {
            Operation::Allocate(id) => return self.allocate(index, id),
            Operation::Fail(id) => {
                let refused = self.allocate(index, id)?;
                self.free(id).map_err(freed)?;
                return Ok(refused);
            }
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
            Operation::Synchronize => {
                self.allocator.device_mut().finish_all_work();
                self.allocator.note_synchronized().map_err(device)?;
            }
        }
        Ok(None)
    }

    #[inline]
    fn allocate(
        &mut self,
        operation: usize,
        id: RequestId,
    ) -> Result<Option<Refused>, ReplayError> {
        let request = &self.program.requests[id.index()];
        if request.size.is_zero() {
            // PyTorch answers such a request before its allocator hears of it.
            return Ok(None);
        }
        match self.allocator.allocate_in(request.pool, request.size, request.stream) {
            Ok(block) => {
                self.blocks[id.index()] = Some(block);
                Ok(None)
            }
            Err(AllocationError::Device(source)) => Err(ReplayError::Device { operation, source }),
            Err(reason) => Ok(Some(Refused { request: id, reason })),
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

    fn failure(&self, operation: usize, refused: Refused) -> Failure {
        let request = &self.program.requests[refused.request.index()];
        Failure {
            operation,
            event: self.program.events[operation] as usize,
            requested: request.size,
            stream: request.stream,
            pool: request.pool,
            totals: current(&self.allocator.statistics()),
            reason: refused.reason,
        }
    }

    fn ended(self, failures: Vec<Failure>, operations: usize) -> Run<A> {
        let statistics = self.allocator.statistics();
        let device = self.allocator.device();
        let outcome = Outcome {
            failures,
            operations,
            peak: peak(&statistics),
            end: current(&statistics),
            statistics,
            stalls: self.allocator.stalls(),
            calls: device.calls(),
            modelled_nanos: device.modelled_nanos(),
        };
        Run { outcome, allocator: self.allocator, blocks: self.blocks }
    }
}

impl<A: Watched> Replay<'_, A> {
    fn finish(mut self, on_failure: OnFailure) -> Result<Run<A>, ReplayError> {
        let mut failures = Vec::new();
        let mut operations = self.program.operations.len();
        for index in 0..self.program.operations.len() {
            self.allocator.watcher_mut().next_operation(self.program, index);
            if let Some(refused) = self.step(index)? {
                failures.push(self.failure(index, refused));
                if on_failure == OnFailure::Stop {
                    operations = index;
                    break;
                }
            }
        }
        Ok(self.ended(failures, operations))
    }
}

/// The stream that stands for whatever still uses this request's block.
fn lingering(id: RequestId) -> StreamId {
    StreamId(LINGERING | u64::from(id.0))
}

/// The four sums as they are.
fn current(statistics: &Statistics) -> Totals {
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
