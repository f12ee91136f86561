//! A program over real memory, which knows what it wrote where.

use gapless_allocator::{AllocationError, Allocator, CachingAllocator, GaplessAllocator, Observer};
use gapless_device::Device;
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use crate::counted::check_counts;
use crate::memory::Memory;

/// What a program does; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Allocate {
        size: u64,
        stream: u64,
        private: bool,
    },
    Free(usize),
    Use {
        which: usize,
        stream: u64,
    },
    Wait(u64),
    EmptyCache,
    /// So many granules are kept.
    Trim(u64),
    Pin(usize),
    Unpin(usize),
    BeginCapture,
    EndCapture,
    /// The graphs run whose memory is the private pool's.
    RunGraphs,
    EndPool,
}

/// The pool of graphs.
const PRIVATE: PoolId = PoolId(0, 1);

/// An allocator with what not all of them can do.
pub(super) trait Tested: Allocator {
    /// Whether it can do that.
    const DOES_ALL: bool = false;

    fn trim(&mut self, _keep: Bytes) {}
    fn pin(&mut self, _block: Self::Block) -> Option<Extent> {
        None
    }
    fn unpin(&mut self, _pinned: Extent) {}
    fn begin_capture(&mut self) {}
    fn end_capture(&mut self) {}
    fn end_pool(&mut self, _pool: PoolId) {}
}

impl<D: Device> Tested for CachingAllocator<D> {}

impl<D: Device, O: Observer> Tested for GaplessAllocator<D, O> {
    const DOES_ALL: bool = true;

    fn trim(&mut self, keep: Bytes) {
        self.trim(keep).unwrap();
    }

    fn pin(&mut self, block: Self::Block) -> Option<Extent> {
        Some(self.pin(block).unwrap())
    }

    fn unpin(&mut self, pinned: Extent) {
        assert!(self.unpin(pinned));
    }

    fn begin_capture(&mut self) {
        self.begin_capture();
    }

    fn end_capture(&mut self) {
        self.end_capture().unwrap();
    }

    fn end_pool(&mut self, pool: PoolId) {
        self.end_pool(pool);
    }
}

/// A block the program holds, full of the pattern of a seed.
struct Held<B> {
    block: B,
    extent: Extent,
    stream: StreamId,
    seed: u64,
    /// Whether a graph writes there when it runs, also after the block was freed.
    is_of_graphs: bool,
    is_used_elsewhere: bool,
}

pub(super) struct Program<A: Tested, M> {
    pub(super) allocator: A,
    /// The memory of the allocator's device, to queue work on.
    memory: M,
    held: Vec<Held<A::Block>>,
    next_seed: u64,
    pinned: Vec<Extent>,
    is_capturing: bool,
    /// Where blocks of the pool of graphs were, and on which stream.
    of_graphs: Vec<(Extent, StreamId)>,
    steps: u64,
}

/// So many places of graphs are kept in mind.
const PLACES_OF_GRAPHS: usize = 64;

/// After so many steps what is counted is looked at.
const STEPS_BETWEEN_COUNTS: u64 = 64;

impl<A: Tested, M: Memory> Program<A, M> {
    pub(super) fn new(memory: M, make: impl FnOnce(M::Device) -> A) -> Self {
        Self {
            allocator: make(memory.device()),
            memory,
            held: Vec::new(),
            next_seed: 0,
            pinned: Vec::new(),
            is_capturing: false,
            of_graphs: Vec::new(),
            steps: 0,
        }
    }

    /// Runs to the end, where all memory goes back; answers the allocator.
    pub(super) fn run(mut self, steps: impl IntoIterator<Item = Step>) -> A {
        for step in steps {
            self.step(step);
            self.check_data(&step);
        }
        while !self.held.is_empty() {
            self.step(Step::Free(0));
        }
        while !self.pinned.is_empty() {
            self.step(Step::Unpin(0));
        }
        self.step(Step::EndCapture);
        self.step(Step::EndPool);
        self.memory.wait_for_device();
        self.step(Step::EmptyCache);
        self.check_data(&"the end");
        self.memory.check_empty();
        self.allocator
    }

    /// Stops where wrong bytes were seen until now.
    #[track_caller]
    pub(super) fn check_data(&self, when: &dyn std::fmt::Debug) {
        assert_eq!(self.memory.complaint(), None, "{when:?}");
    }

    pub(super) fn step(&mut self, step: Step) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_COUNTS) {
            self.check_counts();
        }
        let count = self.held.len();
        match step {
            Step::Allocate { size, stream, private } => {
                self.allocate(Bytes::new(size), self.memory.stream(stream), private && A::DOES_ALL);
            }
            Step::Free(which) if 0 < count => self.free(which % count),
            Step::Use { which, stream } if 0 < count => {
                self.use_elsewhere(which % count, self.memory.stream(stream));
            }
            Step::Wait(stream) => {
                self.memory.device().wait_for_stream(self.memory.stream(stream)).unwrap();
            }
            Step::EmptyCache if !self.is_capturing => self.allocator.empty_cache().unwrap(),
            Step::Trim(keep) if !self.is_capturing => {
                self.allocator.trim(Bytes::new(keep * self.memory.device().granule().get()));
            }
            Step::Pin(which) if 0 < count => {
                self.pinned.extend(self.allocator.pin(self.held[which % count].block));
            }
            Step::Unpin(which) if !self.pinned.is_empty() => {
                let pinned = self.pinned.swap_remove(which % self.pinned.len());
                self.allocator.unpin(pinned);
            }
            Step::BeginCapture if !self.is_capturing => {
                self.is_capturing = true;
                self.allocator.begin_capture();
            }
            Step::EndCapture if self.is_capturing => {
                self.is_capturing = false;
                self.allocator.end_capture();
            }
            Step::RunGraphs => self.run_graphs(),
            Step::EndPool => {
                self.of_graphs.clear();
                self.held.iter_mut().for_each(|held| held.is_of_graphs = false);
                self.allocator.end_pool(PRIVATE);
            }
            Step::Free(_)
            | Step::Use { .. }
            | Step::EmptyCache
            | Step::Trim(_)
            | Step::Pin(_)
            | Step::Unpin(_)
            | Step::BeginCapture
            | Step::EndCapture => {}
        }
    }

    fn free(&mut self, which: usize) {
        let held = self.held.swap_remove(which);
        self.memory.check(held.stream, held.extent, held.seed);
        self.allocator.free(held.block).unwrap();
        let has_room = self.of_graphs.len() < PLACES_OF_GRAPHS;
        if held.is_of_graphs && !held.is_used_elsewhere && has_room {
            self.of_graphs.push((held.extent, held.stream));
        }
    }

    fn use_elsewhere(&mut self, which: usize, stream: StreamId) {
        let held = &mut self.held[which];
        held.is_used_elsewhere = true;
        self.memory.let_follow(held.stream, stream);
        self.memory.check(stream, held.extent, held.seed);
        self.allocator.record_stream(held.block, stream).unwrap();
    }

    /// Writes anything where blocks of graphs were that nobody holds.
    fn run_graphs(&mut self) {
        for &(extent, stream) in &self.of_graphs {
            self.next_seed += 1;
            self.memory.fill(stream, extent, self.next_seed);
        }
    }

    fn check_counts(&self) {
        let statistics = self.allocator.statistics();
        let bytes: Bytes = self.held.iter().map(|held| held.extent.size()).sum();
        let sums = [
            ("allocation", statistics.allocation, self.held.len() as u64),
            ("allocated_bytes", statistics.allocated_bytes, bytes.get()),
            ("reserved_bytes", statistics.reserved_bytes, self.memory.used().get()),
        ];
        check_counts(&sums).unwrap();
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId, is_of_graphs: bool) {
        let pool = if is_of_graphs { PRIVATE } else { PoolId::DEFAULT };
        let block = match self.allocator.allocate_in(pool, size, stream) {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => return,
            Err(error) => panic!("{size} on {stream}: {error}"),
        };
        let extent = self.allocator.extent(block).unwrap();
        let seed = self.next_seed;
        self.next_seed += 1;
        self.memory.fill(stream, extent, seed);
        self.of_graphs.retain(|(other, _)| !other.overlaps(extent));
        let is_used_elsewhere = false;
        self.held.push(Held { block, extent, stream, seed, is_of_graphs, is_used_elsewhere });
    }
}
