//! Random programs through PyTorch's allocator beside a shadow that knows none of its rules: only
//! which memory the device gave, which blocks the program holds, and which work is not yet done.
//!
//! After each step: blocks overlap nobody's, lie in memory held from the device and are as large
//! as asked for; a block that another stream uses is handed to nobody; the statistics are the
//! shadow's own sums; and the allocator's invariants hold. At the end everything goes back.

mod books;
mod tally;
mod program;

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::caching::BlockId;
use gapless_allocator::{AllocationError, CachingAllocator, FreeError};
use gapless_device::{Device, Sim, SimSetup};
use gapless_units::{Bytes, Extent, PoolId, StreamId};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use books::Books;
use program::{Circumstances, Step, circumstances, step};
use tally::Tally;

/// A block the program holds.
struct Held {
    block: BlockId,
    extent: Extent,
    requested: Bytes,
    stream: StreamId,
    /// Other streams that used it, and whether a capture did so first.
    uses: BTreeMap<StreamId, bool>,
}

/// A block given back while other streams may still use it.
struct Lingering {
    extent: Extent,
    streams: BTreeSet<StreamId>,
    freed: u64,
    in_capture: bool,
}

struct Shadow {
    allocator: CachingAllocator<Books, Tally>,
    circumstances: Circumstances,
    held: Vec<Held>,
    lingering: Vec<Lingering>,
    stale: Option<BlockId>,
    capturing: bool,
    /// The ids of the private pools in use.
    pools: [PoolId; 2],
}

impl Shadow {
    fn new(circumstances: Circumstances) -> Self {
        let Circumstances { capacity, placement, completion, .. } = circumstances;
        let device = Sim::new(SimSetup { placement, completion, ..SimSetup::new(capacity) });
        let (settings, release) = (&circumstances.settings, circumstances.release);
        let books = Books::new(device);
        let mut allocator = CachingAllocator::new(books, settings, release, Tally::default());
        let pools = [PoolId(0, 1), PoolId(0, 2)];
        for (id, options) in pools.into_iter().zip(circumstances.pools) {
            allocator.create_pool(id, options);
        }
        Self {
            allocator,
            circumstances,
            held: Vec::new(),
            lingering: Vec::new(),
            stale: None,
            capturing: false,
            pools,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        self.allocator.device_mut().tick += 1;
        match step {
            Step::Allocate { size, stream, pool } => {
                let pool = pool.checked_sub(1).map_or(PoolId::DEFAULT, |at| self.pools[at]);
                self.allocate(Bytes::new(size), StreamId(stream), pool)?;
            }
            Step::Free(which) => {
                if let Some(which) = which.checked_rem(self.held.len()) {
                    self.free(which)?;
                }
            }
            Step::FreeTwice => {
                if let Some(block) = self.stale
                    && self.allocator.free(block) != Err(FreeError::NotAllocated)
                {
                    return Err("a block could be freed twice".to_owned());
                }
            }
            Step::Use { which, stream } => {
                if let Some(which) = which.checked_rem(self.held.len()) {
                    let (held, stream) = (&mut self.held[which], StreamId(stream));
                    self.allocator.record_stream(held.block, stream).map_err(told)?;
                    if stream != held.stream {
                        held.uses.entry(stream).or_insert(self.capturing);
                    }
                }
            }
            Step::FinishStream(stream) => {
                self.allocator.device_mut().finish_stream(StreamId(stream));
            }
            Step::FinishAll => self.allocator.device_mut().finish_all(),
            Step::EmptyCache => self.allocator.empty_cache().map_err(told)?,
            Step::Capture => self.toggle_capture(),
            // It waits for the device, which CUDA forbids while a graph is captured.
            Step::EndPool(_) if self.capturing => {}
            Step::EndPool(which) => {
                let ended = self.pools[which];
                self.allocator.destroy_pool(ended).map_err(told)?;
                let next = PoolId(0, ended.1 + 2);
                self.pools[which] = next;
                self.allocator.create_pool(next, self.circumstances.pools[which]);
            }
            Step::Change(settings) => {
                self.allocator.change_settings(&settings);
            }
            Step::Fraction(fraction) => self.allocator.set_memory_fraction(fraction),
        }
        self.forget_what_is_done();
        self.check()
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId, pool: PoolId) -> Result<(), String> {
        let failures = self.allocator.observer().failures;
        let block = match self.allocator.allocate_in(pool, size, stream) {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => {
                let told = self.allocator.observer().failures == failures + 1;
                return if told { Ok(()) } else { Err("a failure without an event".to_owned()) };
            }
            Err(AllocationError::Rejected { .. }) => return Ok(()),
            Err(error) => return Err(told(error)),
        };
        let extent = self.allocator.extent(block).ok_or("a new block is not known")?;
        if extent.size() < size || extent.start().get() % 512 != 0 {
            return Err(format!("{extent:?} for {size} is too small or begins oddly"));
        }
        let taken = self.held.iter().find(|other| other.extent.overlaps(extent));
        if let Some(other) = taken {
            return Err(format!("{extent:?} lies on {:?}, which is held", other.extent));
        }
        self.forget_what_is_done();
        let in_use = self.lingering.iter().find(|other| other.extent.overlaps(extent));
        if let Some(other) = in_use {
            return Err(format!("{extent:?} lies on {:?}, still in use", other.extent));
        }
        let uses = BTreeMap::new();
        self.held.push(Held { block, extent, requested: size, stream, uses });
        Ok(())
    }

    fn free(&mut self, which: usize) -> Result<(), String> {
        let Held { block, extent, uses, .. } = self.held.swap_remove(which);
        self.allocator.free(block).map_err(told)?;
        self.stale = Some(block);
        if !uses.is_empty() {
            // Captured work runs only in replays of the graph, which hold what they use.
            let captures = self.capturing;
            let real = uses.iter().filter(|(_, captured)| !(captures && **captured));
            let streams = real.map(|(&stream, _)| stream).collect();
            let (freed, in_capture) = (self.allocator.device().tick, self.capturing);
            self.lingering.push(Lingering { extent, streams, freed, in_capture });
        }
        Ok(())
    }

    fn toggle_capture(&mut self) {
        if self.capturing {
            self.allocator.end_capture();
            for lingering in &mut self.lingering {
                lingering.in_capture = false;
            }
        } else {
            self.allocator.begin_capture();
        }
        self.capturing = !self.capturing;
    }

    fn forget_what_is_done(&mut self) {
        let device = self.allocator.device();
        self.lingering.retain(|block| {
            let done = |&stream: &StreamId| device.is_done(stream, block.freed);
            block.in_capture || !block.streams.iter().all(done)
        });
    }

    fn check(&self) -> Result<(), String> {
        self.allocator.check_invariants().map_err(told)?;
        let (device, tally) = (self.allocator.device(), self.allocator.observer());
        if let Some(absurd) = &tally.absurd {
            return Err(absurd.clone());
        }
        let held = self.held.iter().map(|held| held.extent);
        let in_use = held.chain(self.lingering.iter().map(|block| block.extent));
        for extent in in_use {
            if !device.holds(extent) {
                return Err(format!("{extent:?} does not lie in memory the device gave"));
            }
        }
        let statistics = self.allocator.statistics();
        let sum = |size: fn(&Held) -> Bytes| self.held.iter().map(size).sum::<Bytes>().get();
        let active = tally.active.values();
        let sums = [
            ("allocation", statistics.allocation, self.held.len() as u64),
            ("allocated_bytes", statistics.allocated_bytes, sum(|held| held.extent.size())),
            ("reserved_bytes", statistics.reserved_bytes, device.held_bytes().get()),
            ("active", statistics.active, active.len() as u64),
            (
                "requested_bytes",
                statistics.requested_bytes,
                active.map(|(requested, _)| requested.get()).sum(),
            ),
        ];
        for (name, told, counted) in sums {
            if told.all.current != counted || told.all.allocated - told.all.freed != counted {
                return Err(format!("{name} is {told:?}, the shadow counts {counted}"));
            }
        }
        let program_holds = tally.active.values().filter(|(_, held)| *held);
        let requested: Bytes = program_holds.map(|(requested, _)| *requested).sum();
        if requested.get() != sum(|held| held.requested) {
            return Err("the trace tells of other requests than there were".to_owned());
        }
        if tally.reserved != i128::from(self.allocator.reserved().get()) {
            return Err("the trace tells of other segments than there are".to_owned());
        }
        let memory = device.memory();
        if memory.total - memory.free != self.allocator.reserved() {
            return Err("the device has given what the allocator does not know".to_owned());
        }
        Ok(())
    }

    /// Gives everything back, and looks whether that is everything.
    fn end(mut self) -> Result<(), String> {
        if self.capturing {
            self.step(Step::Capture)?;
        }
        while !self.held.is_empty() {
            self.step(Step::Free(0))?;
        }
        for which in 0..self.pools.len() {
            self.step(Step::EndPool(which))?;
        }
        self.step(Step::EmptyCache)?;
        let memory = self.allocator.device().memory();
        if memory.free != memory.total {
            return Err(format!("{} never went back", memory.total - memory.free));
        }
        // A growth that fails may leave a segment behind in which nothing is mapped, as PyTorch
        // does; it has addresses and no memory.
        let device = self.allocator.device();
        if !device.refused && !device.sim.is_idle() {
            return Err("the device is not idle".to_owned());
        }
        Ok(())
    }
}

fn told(error: impl std::error::Error) -> String {
    error.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2048,
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/shadow/regressions.txt",
        ))),
        ..ProptestConfig::default()
    })]
    #[test]
    fn whatever_a_program_does_the_shadow_agrees(
        circumstances in circumstances(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut shadow = Shadow::new(circumstances);
        for (number, step) in steps.into_iter().enumerate() {
            let what = format!("{step:?}");
            let agrees = shadow.step(step);
            prop_assert!(agrees.is_ok(), "step {}, {}: {:?}", number, what, agrees);
        }
        let ends = shadow.end();
        prop_assert!(ends.is_ok(), "at the end: {:?}", ends);
    }
}
