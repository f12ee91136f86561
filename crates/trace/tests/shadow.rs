//! Random recordings beside a shadow that knows no rules: whatever prefix of the events is lost,
//! the rebuilt trace has the same blocks and the same memory at every instant that is left.

use std::collections::{BTreeMap, BTreeSet};

use gapless_trace::{
    Action, BlockState, DeviceRecording, Event, Events, FinalBlock, FinalSegment, Instant, LabelId,
    SizePool, StackId, Trace,
};
use gapless_units::{Addr, Bytes, DeviceId, MIB, Micros, PoolId, StreamId};
use proptest::prelude::*;

const SEGMENT: u64 = 2 * MIB;
const SLOT: u64 = 64 * 1024;

/// What a random program does next; the numbers choose among what is possible.
#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc { place: usize, size: u64 },
    FreeRequested { which: usize },
    FreeCompleted { which: usize },
    Segment { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<usize>(), 1..SLOT).prop_map(|(place, size)| Step::Alloc { place, size }),
        3 => any::<usize>().prop_map(|which| Step::FreeRequested { which }),
        3 => any::<usize>().prop_map(|which| Step::FreeCompleted { which }),
        1 => any::<usize>().prop_map(|which| Step::Segment { which }),
    ]
}

/// The truth: segments, and blocks by address with what was asked and whether they are pending.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shadow {
    segments: BTreeSet<u64>,
    blocks: BTreeMap<u64, (u64, bool)>,
}

impl Shadow {
    /// Carries out a step where it is possible, and says what a recorder would have written.
    fn apply(&mut self, step: Step) -> Option<(Action, u64, u64)> {
        match step {
            Step::Alloc { place, size } => {
                let slots = self
                    .segments
                    .iter()
                    .flat_map(|s| (0..SEGMENT / SLOT).map(move |i| s + i * SLOT));
                let free: Vec<u64> = slots.filter(|slot| !self.blocks.contains_key(slot)).collect();
                let addr = *free.get(place % free.len().max(1))?;
                self.blocks.insert(addr, (size, false));
                Some((Action::Alloc, addr, size))
            }
            Step::FreeRequested { which } => {
                let held: Vec<u64> = self.with(false);
                let addr = *held.get(which % held.len().max(1))?;
                let block = self.blocks.get_mut(&addr)?;
                block.1 = true;
                Some((Action::FreeRequested, addr, block.0))
            }
            Step::FreeCompleted { which } => {
                let pending: Vec<u64> = self.with(true);
                let addr = *pending.get(which % pending.len().max(1))?;
                let (size, _) = self.blocks.remove(&addr)?;
                Some((Action::FreeCompleted, addr, size))
            }
            Step::Segment { which } => {
                let addr = (which as u64 % 4) * 2 * SEGMENT;
                if !self.segments.remove(&addr) {
                    self.segments.insert(addr);
                    return Some((Action::SegmentAlloc, addr, SEGMENT));
                }
                let used = self.blocks.range(addr..addr + SEGMENT).next().is_some();
                if used {
                    self.segments.insert(addr);
                    return None;
                }
                Some((Action::SegmentFree, addr, SEGMENT))
            }
        }
    }

    fn with(&self, pending: bool) -> Vec<u64> {
        self.blocks.iter().filter(|(_, block)| block.1 == pending).map(|(&addr, _)| addr).collect()
    }

    fn final_segments(&self) -> Vec<FinalSegment> {
        let segment = |&addr: &u64| FinalSegment {
            addr: Addr::new(addr),
            size: Bytes::new(SEGMENT),
            stream: StreamId::DEFAULT,
            pool: PoolId::DEFAULT,
            size_pool: SizePool::Small,
            expandable: false,
            allocated: None,
            stack: StackId::NONE,
            blocks: self.blocks.range(addr..addr + SEGMENT).map(final_block).collect(),
            pinned: Vec::new(),
        };
        self.segments.iter().map(segment).collect()
    }

    fn of(trace: &Trace, instant: Instant) -> Self {
        let state = trace.state_at(instant);
        assert!(state.misplaced.is_empty());
        let blocks = state.segments.iter().flat_map(|segment| &segment.blocks);
        Self {
            segments: state.segments.iter().map(|s| s.extent.start().get()).collect(),
            blocks: blocks
                .map(|b| (b.extent.start().get(), (b.requested.get(), b.pending)))
                .collect(),
        }
    }
}

fn final_block((&addr, &(size, pending)): (&u64, &(u64, bool))) -> FinalBlock {
    FinalBlock {
        addr: Addr::new(addr),
        size: Bytes::new(size.next_multiple_of(512)),
        requested: Bytes::new(size),
        state: if pending { BlockState::PendingFree } else { BlockState::Allocated },
        stack: StackId::NONE,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_instant_is_rebuilt_whatever_was_lost(steps in prop::collection::vec(step(), 0..120), lost in any::<usize>()) {
        let mut shadow = Shadow::default();
        let mut truth = vec![shadow.clone()];
        let mut lines = Vec::new();
        for step in steps {
            if let Some(line) = shadow.apply(step) {
                lines.push(line);
                truth.push(shadow.clone());
            }
        }
        let lost = lost % (lines.len() + 1);
        let kinds: BTreeSet<Action> = lines[lost..].iter().map(|line| line.0).collect();
        // A trace of completed frees alone may come from a recorder that writes no requests.
        prop_assume!(kinds.contains(&Action::FreeRequested) || !kinds.contains(&Action::FreeCompleted));
        let mut events = Events::default();
        for &(action, addr, size) in &lines[lost..] {
            events.push(Event {
                action,
                addr: Addr::new(addr),
                size: Bytes::new(size),
                stream: StreamId::DEFAULT,
                pool: None,
                time: Micros(0),
                stack: StackId::NONE,
                label: LabelId::EMPTY,
            });
        }
        // Blocks alone do not fill these segments, which the rebuild rightly notes.
        let end = Some(shadow.final_segments());
        let recording =
            DeviceRecording { device: DeviceId(0), settings: None, events, end, annotations: Vec::new() };
        let trace = Trace::rebuild(recording).unwrap();
        for (events, expected) in truth[lost..].iter().enumerate() {
            let instant = events.checked_sub(1).map_or(Instant::START, Instant::after);
            prop_assert_eq!(&Shadow::of(&trace, instant), expected, "after {} events", events);
        }
    }
}
