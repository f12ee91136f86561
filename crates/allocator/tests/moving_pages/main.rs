//! The gapless allocator beside a device that knows which bytes of memory are really used.
//!
//! Random programs on few pages, with streams that lag behind: no two blocks share a byte of
//! memory, whatever addresses it lies under; no block is handed to a stream while another still
//! works on its bytes; nothing is unmapped under queued work; the books are right after each
//! step, and after each call of the device that fails; and at the end everything goes back.

mod adversaries;
mod watched;

use gapless_allocator::gapless::BlockId;
use gapless_allocator::{AllocationError, Allocator, GaplessAllocator, Slack};
use gapless_device::{Completion, Device, Sim, SimSetup};
use gapless_units::{Bytes, Extent, PoolId, StreamId};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use watched::Watched;

#[derive(Clone, Debug)]
enum Step {
    Allocate { size: u64, stream: u64, private: bool },
    Free(usize),
    Use { which: usize, stream: u64 },
    FinishStream(u64),
    FinishAll,
    Trim(u64),
    Pin(usize),
    Unpin,
}

fn step() -> impl Strategy<Value = Step> {
    const MIB: u64 = 1 << 20;
    let size = prop_oneof![
        1..4096_u64,
        (1..40_u64).prop_map(|n| n * 64 * 1024 + 512),
        MIB..6 * MIB,
        (1..5_u64).prop_map(|n| n * 2 * MIB),
        6 * MIB..16 * MIB,
    ];
    prop_oneof![
        10 => (size, 0..3_u64, prop::bool::weighted(0.1))
            .prop_map(|(size, stream, private)| Step::Allocate { size, stream, private }),
        8 => any::<usize>().prop_map(Step::Free),
        2 => (any::<usize>(), 0..3_u64).prop_map(|(which, stream)| Step::Use { which, stream }),
        3 => (0..3_u64).prop_map(Step::FinishStream),
        1 => Just(Step::FinishAll),
        1 => (0..40_u64).prop_map(|mib| Step::Trim(mib * MIB)),
        1 => any::<usize>().prop_map(Step::Pin),
        1 => Just(Step::Unpin),
    ]
}

struct Held {
    block: BlockId,
    extent: Extent,
    requested: Bytes,
}

struct Shadow {
    allocator: GaplessAllocator<Watched>,
    held: Vec<Held>,
    pins: Vec<Extent>,
    stale: Option<BlockId>,
    /// Whether calls of the device fail on purpose.
    may_fail: bool,
}

impl Shadow {
    fn new(capacity: Bytes, slack: Slack, fails_at: Option<u64>) -> Self {
        let setup = SimSetup { completion: Completion::WhenTold, ..SimSetup::new(capacity) };
        let device = Watched::new(Sim::new(setup), fails_at);
        let allocator = GaplessAllocator::new(device, slack, ());
        let (held, pins) = (Vec::new(), Vec::new());
        Self { allocator, held, pins, stale: None, may_fail: fails_at.is_some() }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Allocate { size, stream, private } => {
                let pool = if private { PoolId(0, 1) } else { PoolId::DEFAULT };
                self.allocate(Bytes::new(size), StreamId(stream), pool)?;
            }
            Step::Free(which) => self.free(which)?,
            Step::Use { which, stream } => {
                if let Some(which) = which.checked_rem(self.held.len()) {
                    let (block, extent) = (self.held[which].block, self.held[which].extent);
                    let stream = StreamId(stream);
                    self.allocator.record_stream(block, stream).map_err(told)?;
                    self.allocator.device_mut().queue(stream, extent)?;
                }
            }
            Step::FinishStream(stream) => {
                self.allocator.device_mut().finish_stream(StreamId(stream));
            }
            Step::FinishAll => self.allocator.device_mut().finish_all(),
            Step::Trim(keep) => {
                let trimmed = self.allocator.trim(Bytes::new(keep));
                self.judge(trimmed.map_err(told))?;
            }
            Step::Pin(which) => {
                if let Some(which) = which.checked_rem(self.held.len()) {
                    let block = self.held[which].block;
                    self.pins.push(self.allocator.pin(block).map_err(told)?);
                }
            }
            Step::Unpin => {
                if let Some(pinned) = self.pins.pop()
                    && !self.allocator.unpin(pinned)
                {
                    return Err("a pin was lost".to_owned());
                }
            }
        }
        self.check()
    }

    /// An error is one only where no call was made to fail.
    fn judge(&self, answer: Result<(), String>) -> Result<(), String> {
        answer.or_else(|error| if self.may_fail { Ok(()) } else { Err(error) })
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId, pool: PoolId) -> Result<(), String> {
        let block = match self.allocator.allocate_in(pool, size, stream) {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => return Ok(()),
            Err(error) => return self.judge(Err(told(error))),
        };
        let extent = self.allocator.extent(block).ok_or("a new block is not known")?;
        if extent.size() < size || extent.start().get() % 512 != 0 {
            return Err(format!("{extent:?} for {size} is too small or begins oddly"));
        }
        let device = self.allocator.device();
        for other in &self.held {
            if device.share_memory(extent, other.extent)? {
                return Err(format!("{extent:?} and {:?} share memory", other.extent));
            }
        }
        if let Some(other) = device.worker_on(extent, stream)? {
            return Err(format!("{extent:?} is handed to {stream:?}, {other:?} works on it"));
        }
        self.allocator.device_mut().queue(stream, extent)?;
        self.held.push(Held { block, extent, requested: size });
        Ok(())
    }

    fn free(&mut self, which: usize) -> Result<(), String> {
        let Some(which) = which.checked_rem(self.held.len()) else { return Ok(()) };
        let block = self.held[which].block;
        if let Err(error) = self.allocator.free(block) {
            // The program still has it.
            return self.judge(Err(told(error)));
        }
        self.held.swap_remove(which);
        if let Some(stale) = self.stale.replace(block)
            && self.allocator.free(stale).is_ok()
        {
            return Err("a block could be freed twice".to_owned());
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.allocator.check_invariants().map_err(told)?;
        let device = self.allocator.device();
        if let Some(wrong) = &device.wrong {
            return Err(wrong.clone());
        }
        let memory = device.memory();
        let given = memory.total - memory.free;
        if given != self.allocator.reserved() {
            return Err(format!("{given} given, {} known", self.allocator.reserved()));
        }
        let statistics = self.allocator.statistics();
        let sum = |size: fn(&Held) -> Bytes| self.held.iter().map(size).sum::<Bytes>().get();
        for (name, told, counted) in [
            ("allocation", statistics.allocation, self.held.len() as u64),
            ("allocated_bytes", statistics.allocated_bytes, sum(|held| held.extent.size())),
            ("reserved_bytes", statistics.reserved_bytes, given.get()),
        ] {
            if told.all.current != counted || told.all.allocated - told.all.freed != counted {
                return Err(format!("{name} is {told:?}, the shadow counts {counted}"));
            }
        }
        if statistics.requested_bytes.all.current < sum(|held| held.requested) {
            return Err("more is requested than is counted".to_owned());
        }
        Ok(())
    }

    /// Gives everything back, and looks whether that is everything.
    fn end(mut self) -> Result<(), String> {
        self.allocator.device_mut().fails_at = None;
        self.may_fail = false;
        while !self.held.is_empty() {
            self.step(&Step::Free(0))?;
        }
        while !self.pins.is_empty() {
            self.step(&Step::Unpin)?;
        }
        self.step(&Step::FinishAll)?;
        self.allocator.end_pool(PoolId(0, 1));
        self.step(&Step::Trim(0))?;
        let memory = self.allocator.device().memory();
        if memory.free != memory.total || self.allocator.device().has_mappings() {
            return Err(format!("{} never went back", memory.total - memory.free));
        }
        Ok(())
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn live(steps: &[Step], capacity: Bytes, slack: Slack) -> Result<(), String> {
    let mut shadow = Shadow::new(capacity, slack, None);
    for (index, step) in steps.iter().enumerate() {
        shadow.step(step).map_err(|error| format!("step {index}, {step:?}: {error}"))?;
    }
    shadow.end()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_byte_is_used_twice(
        steps in prop::collection::vec(step(), 1..250),
        mib in 12..48_u64,
        slack in prop_oneof![Just(Slack::NONE), Just(Slack::DEFAULT)],
    ) {
        live(&steps, Bytes::mib(mib * 2), slack).map_err(TestCaseError::fail)?;
    }
}

/// The same for half an hour: `cargo test --release -- --ignored many_programs`.
#[test]
#[ignore = "it takes long"]
fn many_programs() {
    let config = ProptestConfig { cases: 100_000, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let programs = (prop::collection::vec(step(), 1..1000), 12..48_u64);
    let ran = runner.run(&programs, |(steps, mib)| {
        live(&steps, Bytes::mib(mib * 2), Slack::DEFAULT).map_err(TestCaseError::fail)
    });
    assert_eq!(ran.map_err(told), Ok(()));
}

/// Each call of the device fails once, in turn, in a program that moves, waits and trims.
#[test]
fn each_call_may_fail() {
    let steps = fixed_program();
    let mut fails_at = 1;
    loop {
        let mut shadow = Shadow::new(Bytes::mib(40), Slack::NONE, Some(fails_at));
        for (index, step) in steps.iter().enumerate() {
            let done = shadow.step(step);
            assert_eq!(done, Ok(()), "call {fails_at} failed; step {index}, {step:?}");
        }
        let failed = shadow.allocator.device().failed;
        assert_eq!(shadow.end(), Ok(()), "call {fails_at} failed");
        if !failed {
            break;
        }
        fails_at += 1;
    }
    assert!(200 < fails_at, "the program makes {fails_at} calls only");
}

/// Sizes and choices that a small generator makes, always the same.
fn fixed_program() -> Vec<Step> {
    let mut state = 7_u64;
    let mut next = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut steps = Vec::new();
    for _ in 0..220 {
        let index = usize::try_from(next(1 << 20)).unwrap_or(0);
        steps.push(match next(16) {
            0..8 => {
                let size = [700_000, 3_000_000, 5_000_000, 9_000_000]
                    [usize::try_from(next(4)).unwrap_or(0)];
                Step::Allocate {
                    size: size + 512 * next(64),
                    stream: next(2),
                    private: next(12) == 0,
                }
            }
            8..13 => Step::Free(index),
            13 => Step::Use { which: index, stream: next(2) },
            14 => Step::FinishStream(next(2)),
            _ => Step::Trim(next(40) << 20),
        });
    }
    steps
}
