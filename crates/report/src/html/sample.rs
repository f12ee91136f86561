//! A small trace for tests: two segments far apart, three blocks, a failure, a marked range.
//!
//! ```text
//!   segment at 4 MiB, 2 MiB     │ A: 1 KiB │ B: 3 KiB │ gap …   │
//!   segment at 1 GiB, 20 MiB    │ C: 20 MiB                     │
//! ```

use gapless_trace::{
    Action, Annotation, BlockState, DeviceRecording, Event, Events, FinalBlock, FinalSegment,
    LabelId, SizePool, StackId, Stacks, Trace,
};
use gapless_units::{Addr, Bytes, DeviceId, GIB, KIB, MIB, Micros, PoolId, StreamId};

/// The trace and its stacks.
pub(super) fn sample() -> (Trace, Stacks) {
    let mut stacks = Stacks::default();
    let frame = stacks.frame("train.py", 9, "step");
    let stack = stacks.stack(&[frame]);
    let mut events = Events::default();
    let steps = [
        (Action::SegmentAlloc, 4 * MIB, 2 * MIB),
        (Action::Alloc, 4 * MIB, KIB),
        (Action::Alloc, 4 * MIB + KIB, 3 * KIB),
        (Action::SegmentAlloc, GIB, 20 * MIB),
        (Action::Alloc, GIB, 20 * MIB),
        (Action::FreeRequested, GIB, 20 * MIB),
        (Action::FreeCompleted, GIB, 20 * MIB),
        (Action::OutOfMemory, 512, 30 * MIB),
    ];
    for ((action, addr, size), time) in steps.into_iter().zip((100..).step_by(10)) {
        events.push(Event {
            action,
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId::DEFAULT,
            pool: None,
            time: Micros(time),
            stack,
            label: LabelId::EMPTY,
        });
    }
    let name = stacks.label("Optimizer.step#AdamW.step");
    let annotation = |time, starts| Annotation { time: Micros(time), starts, name };
    let held = [(4 * MIB, KIB), (4 * MIB + KIB, 3 * KIB)];
    let small = segment(4 * MIB, 2 * MIB, &held);
    let recording = DeviceRecording {
        device: DeviceId(0),
        settings: None,
        events,
        end: Some(vec![small, segment(GIB, 20 * MIB, &[])]),
        annotations: vec![annotation(115, true), annotation(145, false), annotation(160, true)],
    };
    (Trace::rebuild(recording).unwrap(), stacks)
}

fn segment(addr: u64, size: u64, held: &[(u64, u64)]) -> FinalSegment {
    let block = |(addr, size), state| FinalBlock {
        addr: Addr::new(addr),
        size: Bytes::new(size),
        requested: Bytes::new(size),
        state,
        stack: StackId::NONE,
    };
    let mut blocks: Vec<FinalBlock> =
        held.iter().map(|&held| block(held, BlockState::Allocated)).collect();
    let end = held.last().map_or(addr, |(addr, size)| addr + size);
    blocks.push(block((end, addr + size - end), BlockState::Inactive));
    FinalSegment {
        addr: Addr::new(addr),
        size: Bytes::new(size),
        stream: StreamId::DEFAULT,
        pool: PoolId::DEFAULT,
        size_pool: if size == 2 * MIB { SizePool::Small } else { SizePool::Large },
        expandable: false,
        allocated: None,
        stack: StackId::NONE,
        blocks,
        pinned: Vec::new(),
    }
}
