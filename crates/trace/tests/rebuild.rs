//! Rebuilding a trace from recordings made by hand: late starts, slack, expandable segments,
//! several streams, and recordings that contradict themselves.

use gapless_trace::{
    Action, BlockState, DeviceRecording, Event, Events, FinalBlock, FinalSegment, Instant, LabelId,
    SizePool, StackId, Stacks, Totals, Trace, Weight,
};
use gapless_units::{Addr, Bytes, DeviceId, Extent, MIB, Micros, PoolId, StreamId};

const SMALL: u64 = 2 * MIB;
const LARGE: u64 = 20 * MIB;

/// A recording under construction: events, and the segments it ends with.
#[derive(Default)]
struct Script {
    events: Events,
    end: Vec<FinalSegment>,
    /// That of the events that come next.
    stack: StackId,
}

impl Script {
    fn event(mut self, action: Action, addr: u64, size: u64) -> Self {
        self.events.push(Event {
            action,
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId::DEFAULT,
            pool: None,
            time: Micros(0),
            stack: self.stack,
            label: LabelId::EMPTY,
        });
        self
    }

    fn from(self, stack: StackId) -> Self {
        Self { stack, ..self }
    }

    fn alloc(self, addr: u64, size: u64) -> Self {
        self.event(Action::Alloc, addr, size)
    }

    fn free(self, addr: u64, size: u64) -> Self {
        self.event(Action::FreeRequested, addr, size).event(Action::FreeCompleted, addr, size)
    }

    /// A final segment; blocks are (address, size, requested), everything else is free.
    fn ends_with(mut self, addr: u64, size: u64, blocks: &[(u64, u64, u64)]) -> Self {
        let mut listed = Vec::new();
        let mut free_from = addr;
        let inactive = |from: u64, to: u64| FinalBlock {
            addr: Addr::new(from),
            size: Bytes::new(to - from),
            requested: Bytes::ZERO,
            state: BlockState::Inactive,
            stack: StackId::NONE,
        };
        for &(start, size, requested) in blocks {
            if free_from < start {
                listed.push(inactive(free_from, start));
            }
            listed.push(FinalBlock {
                addr: Addr::new(start),
                size: Bytes::new(size),
                requested: Bytes::new(requested),
                state: BlockState::Allocated,
                stack: StackId::NONE,
            });
            free_from = start + size;
        }
        if free_from < addr + size {
            listed.push(inactive(free_from, addr + size));
        }
        self.end.push(FinalSegment {
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId::DEFAULT,
            pool: PoolId::DEFAULT,
            size_pool: if size == SMALL { SizePool::Small } else { SizePool::Large },
            expandable: false,
            allocated: None,
            stack: StackId::NONE,
            blocks: listed,
            pinned: Vec::new(),
        });
        self
    }

    fn expandable(mut self) -> Self {
        for segment in &mut self.end {
            segment.expandable = true;
        }
        self
    }

    fn rebuild(self) -> Trace {
        let recording = DeviceRecording {
            device: DeviceId(0),
            settings: None,
            events: self.events,
            end: Some(self.end),
            annotations: Vec::new(),
        };
        Trace::rebuild(recording).unwrap_or_else(|refused| panic!("{refused}"))
    }
}

fn totals(requested: u64, allocated: u64, active: u64, reserved: u64) -> Totals {
    Totals {
        requested: Bytes::new(requested),
        allocated: Bytes::new(allocated),
        active: Bytes::new(active),
        reserved: Bytes::new(reserved),
    }
}

fn sizes(trace: &Trace) -> Vec<u64> {
    trace.allocations.iter().map(|allocation| allocation.size.get()).collect()
}

#[track_caller]
fn check_contradicts(trace: &Trace, code: &str) {
    let found = trace.notes.iter().filter(|note| note.weight == Weight::Contradiction);
    let codes: Vec<_> = found.map(|note| note.code).collect();
    assert!(codes.contains(&code), "{codes:?}");
    assert!(!trace.is_consistent());
}

#[test]
fn a_recording_from_an_empty_allocator_starts_at_nothing() {
    let trace = Script::default()
        .event(Action::SegmentAlloc, 0, SMALL)
        .alloc(0, 1000)
        .alloc(1024, 512)
        .free(0, 1000)
        .ends_with(0, SMALL, &[(1024, 512, 512)])
        .rebuild();
    assert_eq!(trace.start_totals(), Totals::default());
    assert_eq!(trace.peak_totals(), totals(1512, 1536, 1536, SMALL));
    assert_eq!(trace.end_totals(), totals(512, 512, 512, SMALL));
    assert!(trace.is_consistent(), "{:?}", trace.notes);
}

#[test]
fn what_lived_before_the_recording_is_found_by_undoing_it() {
    let trace = Script::default()
        .free(0, 700)
        .alloc(4096, 512)
        .ends_with(0, SMALL, &[(4096, 512, 512), (8192, 1024, 600)])
        .rebuild();
    assert_eq!(trace.start_totals(), totals(1300, 2048, 2048, SMALL));
    assert_eq!(trace.end_totals(), totals(1112, 1536, 1536, SMALL));
}

/// PyTorch's recorder writes the stack of the allocation beside a free, or that of the free.
#[test]
fn an_older_block_has_the_stack_of_its_free_only_where_that_is_of_the_allocation() {
    let mut stacks = Stacks::default();
    let mut stack = |line| {
        let frame = stacks.frame("train.py", line, "step");
        stacks.stack(&[frame])
    };
    let [older, forward, cleanup, next] = [1, 2, 3, 4].map(&mut stack);
    let stack_of_older = |of_a_free| {
        let of_older = Script::default()
            .from(older)
            .event(Action::FreeRequested, 0, MIB)
            .from(next)
            .event(Action::FreeCompleted, 0, MIB);
        let script = match of_a_free {
            Some(of_a_free) => {
                of_older.from(forward).alloc(SMALL, MIB).from(of_a_free).free(SMALL, MIB)
            }
            None => of_older,
        };
        script.ends_with(0, LARGE, &[]).rebuild().allocations[0].stack
    };
    assert_eq!(stack_of_older(Some(forward)), older, "not of the request that noticed it");
    assert_eq!(stack_of_older(Some(cleanup)), StackId::NONE);
    assert_eq!(stack_of_older(None), StackId::NONE, "nothing tells");
}

#[test]
fn a_segment_given_back_was_held_before() {
    let trace = Script::default()
        .event(Action::SegmentFree, 0, LARGE)
        .event(Action::SegmentAlloc, 4 * LARGE, 2 * LARGE)
        .ends_with(4 * LARGE, 2 * LARGE, &[])
        .rebuild();
    let reserved: Vec<_> = trace.totals().map(|totals| totals.reserved.get()).collect();
    assert_eq!(reserved, [LARGE, 0, 2 * LARGE]);
}

#[test]
fn a_block_of_the_large_pool_keeps_up_to_one_mebibyte() {
    let trace = Script::default()
        .event(Action::SegmentAlloc, 0, LARGE)
        .alloc(0, 19 * MIB)
        .free(0, 19 * MIB)
        .alloc(0, 18 * MIB)
        .free(0, 18 * MIB)
        .ends_with(0, LARGE, &[])
        .rebuild();
    assert_eq!(sizes(&trace), [20 * MIB, 18 * MIB]);
}

#[test]
fn what_is_placed_behind_an_older_block_shows_its_end() {
    let slack = MIB / 2;
    let trace = Script::default()
        .alloc(4 * MIB + slack, 2 * MIB)
        .free(4 * MIB + slack, 2 * MIB)
        .free(0, 4 * MIB)
        .ends_with(0, LARGE, &[])
        .rebuild();
    assert_eq!(sizes(&trace), [4 * MIB + slack, 2 * MIB]);
}

#[test]
fn a_pending_block_is_active_but_not_allocated() {
    let trace = Script::default()
        .event(Action::SegmentAlloc, 0, SMALL)
        .alloc(0, 1024)
        .event(Action::FreeRequested, 0, 1024)
        .alloc(1024, 512)
        .event(Action::FreeCompleted, 0, 1024)
        .ends_with(0, SMALL, &[(1024, 512, 512)])
        .rebuild();
    let pending = trace.totals().nth(4).unwrap();
    assert_eq!(pending, totals(1536, 512, 1536, SMALL));
    let state = trace.state_at(Instant::after(3));
    let blocks: Vec<_> = state.segments[0].blocks.iter().map(|block| block.pending).collect();
    assert_eq!(blocks, [true, false]);
}

#[test]
fn an_expandable_segment_is_whole_again_before_its_middle_was_unmapped() {
    let script = Script::default()
        .event(Action::SegmentMap, 0, 3 * LARGE)
        .alloc(0, 20 * MIB)
        .alloc(2 * LARGE, 20 * MIB)
        .event(Action::SegmentUnmap, LARGE, LARGE)
        .ends_with(0, LARGE, &[(0, LARGE, LARGE)])
        .ends_with(2 * LARGE, LARGE, &[(2 * LARGE, LARGE, LARGE)]);
    let trace = script.expandable().rebuild();
    assert!(trace.is_consistent(), "{:?}", trace.notes);
    let extents = |events: usize| -> Vec<(u64, u64)> {
        let state = trace.state_at(Instant::after(events - 1));
        let extents = state.segments.iter().map(|segment| segment.extent);
        extents.map(|extent| (extent.start().get(), extent.size().get())).collect()
    };
    assert_eq!(extents(3), [(0, 3 * LARGE)]);
    assert_eq!(extents(4), [(0, LARGE), (2 * LARGE, LARGE)]);
    assert_eq!(trace.start_totals().reserved, Bytes::ZERO);
}

#[test]
fn a_block_that_is_neither_freed_nor_left_is_a_contradiction() {
    let trace = Script::default().alloc(0, 512).ends_with(0, SMALL, &[]).rebuild();
    check_contradicts(&trace, "lost-blocks");
}

#[test]
fn a_free_of_a_block_that_stays_alive_is_a_contradiction() {
    let trace = Script::default().free(0, 512).ends_with(0, SMALL, &[(0, 512, 512)]).rebuild();
    check_contradicts(&trace, "double-frees");
}

#[test]
fn blocks_outside_all_segments_are_a_contradiction() {
    let trace =
        Script::default().alloc(LARGE, 512).free(LARGE, 512).ends_with(0, SMALL, &[]).rebuild();
    check_contradicts(&trace, "blocks-outside-segments");
}

#[test]
fn overlapping_blocks_and_segments_are_contradictions() {
    let trace = Script::default()
        .ends_with(0, SMALL, &[(0, 1024, 1024)])
        .ends_with(SMALL / 2, SMALL, &[])
        .rebuild();
    check_contradicts(&trace, "overlapping-segments");
    let trace = Script::default()
        .alloc(0, 4096)
        .alloc(512, 512)
        .free(0, 4096)
        .free(512, 512)
        .ends_with(0, SMALL, &[])
        .rebuild();
    check_contradicts(&trace, "overlapping-blocks");
}

#[test]
fn pinned_pages_outside_their_segment_or_each_other_are_contradictions() {
    let page = |start: u64, end: u64| Extent::between(Addr::new(start), Addr::new(end));
    let pinned = |pages: &[Extent]| {
        let mut script = Script::default().ends_with(0, SMALL, &[]);
        script.end[0].pinned = pages.to_vec();
        script.rebuild()
    };
    let trace = pinned(&[page(512, 1024), page(0, 512)]);
    assert!(trace.is_consistent());
    assert_eq!(trace.state_at(trace.end()).pinned, [page(0, 512), page(512, 1024)]);
    for wrong in [page(512, SMALL + 512), page(0, 1024)] {
        let trace = pinned(&[page(0, 512), wrong]);
        check_contradicts(&trace, "impossible-pins");
        assert_eq!(trace.state_at(trace.end()).pinned, [page(0, 512)]);
    }
}

#[test]
fn an_event_past_the_last_address_is_left_out() {
    let trace = Script::default().alloc(u64::MAX - 100, 512).ends_with(0, SMALL, &[]).rebuild();
    check_contradicts(&trace, "impossible-extent");
    assert!(trace.allocations.is_empty());
}

#[test]
fn sizes_past_all_devices_are_refused() {
    let mut events = Events::default();
    let petabyte = Script::default().alloc(0, 1 << 50).events.get(0);
    for _ in 0..1 << 11 {
        events.push(petabyte);
    }
    let recording = DeviceRecording {
        device: DeviceId(0),
        settings: None,
        events,
        end: None,
        annotations: Vec::new(),
    };
    assert!(Trace::rebuild(recording).is_err());
}
