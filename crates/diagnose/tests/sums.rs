//! Random states: the ledger is exact to the byte, blame adds up to the pinned gaps, and no set
//! of blocks is cheaper than the ransom.

use gapless_diagnose::{Cause, Diagnosis, Obstacle, Question, Sites};
use gapless_trace::{
    Action, BlockState, DeviceRecording, Event, Events, FinalBlock, FinalSegment, LabelId,
    SizePool, StackId, Stacks, State, Trace,
};
use gapless_units::{Addr, Bytes, DeviceId, MIB, Micros, PoolId, StreamId};
use proptest::prelude::*;

/// A segment to be: its stream, its pool, whether it expands, and what fills its units of 2 MiB.
#[derive(Clone, Debug)]
struct Draft {
    stream: u64,
    private: bool,
    expandable: bool,
    fill: Vec<Fill>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fill {
    Free,
    Held,
    Pending,
}

const UNIT: u64 = 2 * MIB;

fn draft(only_plain: bool) -> impl Strategy<Value = Draft> {
    let fill = prop_oneof![3 => Just(Fill::Free), 2 => Just(Fill::Held), 1 => Just(Fill::Pending)];
    let flag = move || any::<bool>().prop_map(move |flag| flag && !only_plain);
    (0..2_u64, flag(), flag(), prop::collection::vec(fill, 10..=10))
        .prop_map(|(stream, private, expandable, fill)| Draft { stream, private, expandable, fill })
}

fn segment(index: usize, draft: &Draft) -> FinalSegment {
    let start = index as u64 * 64 * MIB;
    let blocks = draft.fill.iter().enumerate().map(|(unit, fill)| FinalBlock {
        addr: Addr::new(start + unit as u64 * UNIT),
        size: Bytes::new(UNIT),
        requested: Bytes::new(UNIT - 100 * unit as u64),
        state: match fill {
            Fill::Free => BlockState::Inactive,
            Fill::Held => BlockState::Allocated,
            Fill::Pending => BlockState::PendingFree,
        },
        stack: StackId::NONE,
    });
    FinalSegment {
        addr: Addr::new(start),
        size: Bytes::new(draft.fill.len() as u64 * UNIT),
        stream: StreamId(draft.stream),
        pool: if draft.private { PoolId(0, 1) } else { PoolId::DEFAULT },
        size_pool: SizePool::Large,
        expandable: draft.expandable,
        allocated: None,
        stack: StackId::NONE,
        blocks: blocks.collect(),
        pinned: Vec::new(),
    }
}

/// A trace that ends with a failed request of `units` units, `card` units free on the device.
fn failed(drafts: &[Draft], units: u64, card: u64) -> Trace {
    let mut events = Events::default();
    events.push(Event {
        action: Action::OutOfMemory,
        addr: Addr::new(card * UNIT),
        size: Bytes::new(units * UNIT),
        stream: StreamId::DEFAULT,
        pool: None,
        time: Micros(0),
        stack: StackId::NONE,
        label: LabelId::EMPTY,
    });
    let end = drafts.iter().enumerate().map(|(index, draft)| segment(index, draft)).collect();
    let recording = DeviceRecording {
        device: DeviceId(0),
        settings: None,
        events,
        end: Some(end),
        annotations: Vec::new(),
    };
    Trace::rebuild(recording).unwrap_or_else(|refused| panic!("{refused}"))
}

fn diagnose(trace: &Trace) -> Diagnosis {
    let stacks = Stacks::default();
    Diagnosis::of(trace, &stacks, &Sites::of(&stacks), &Question::default())
}

/// Whether the request is served once `released` blocks and the pending ones are gone.
fn is_served(state: &State, released: u32, units: u64, card: u64) -> bool {
    let mut position = 0;
    let mut device = card * UNIT;
    for segment in &state.segments {
        let mut live = Vec::new();
        for block in &segment.blocks {
            if block.pending {
                continue;
            }
            if released & (1 << position) == 0 {
                live.push(*block);
            }
            position += 1;
        }
        let mut left = segment.clone();
        left.blocks = live;
        let usable = segment.stream == StreamId::DEFAULT;
        if usable && left.gaps().any(|gap| units * UNIT <= gap.extent.size().get()) {
            return true;
        }
        if left.blocks.is_empty() {
            device += segment.extent.size().get();
        }
    }
    units * UNIT <= device
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reserved_byte_has_one_cause(
        drafts in prop::collection::vec(draft(false), 0..6),
        units in 1..20_u64,
        card in 0..20_u64,
    ) {
        let trace = failed(&drafts, units, card);
        let diagnosis = diagnose(&trace);
        let ledger = &diagnosis.ledger;
        let count = |fill| drafts.iter().flat_map(|d| &d.fill).filter(|f| **f == fill).count() as u64;
        prop_assert_eq!(ledger.reserved(), Bytes::new(drafts.len() as u64 * 10 * UNIT));
        prop_assert_eq!(ledger.reserved(), trace.end_totals().reserved);
        prop_assert_eq!(ledger.bytes(Cause::Pending), Bytes::new(count(Fill::Pending) * UNIT));
        prop_assert_eq!(ledger.free_bytes(), Bytes::new(count(Fill::Free) * UNIT));
        let held = ledger.bytes(Cause::Requested) + ledger.bytes(Cause::Rounding);
        prop_assert_eq!(held, Bytes::new(count(Fill::Held) * UNIT));
        let by_obstacle: Bytes = Obstacle::ALL.map(|o| ledger.behind(o).bytes).into_iter().sum();
        prop_assert_eq!(by_obstacle, ledger.free_bytes());
        let by_pool: Bytes = ledger.pools.iter().map(gapless_diagnose::PoolShare::reserved).sum();
        prop_assert_eq!(by_pool, ledger.reserved());
    }

    #[test]
    fn blame_adds_up_to_the_pinned_gaps(drafts in prop::collection::vec(draft(false), 0..6)) {
        let diagnosis = diagnose(&failed(&drafts, 1, 0));
        let by_site: Bytes = diagnosis.blame.rows.iter().map(|row| row.pins).sum();
        let by_block: Bytes = diagnosis.blame.blocks.iter().map(|pins| pins.bytes).sum();
        prop_assert_eq!(by_site, diagnosis.ledger.bytes(Cause::PinnedGap));
        prop_assert_eq!(by_block, diagnosis.ledger.bytes(Cause::PinnedGap));
    }

    #[test]
    fn no_set_of_blocks_is_cheaper_than_the_ransom(
        drafts in prop::collection::vec(draft(true), 1..4),
        units in 5..20_u64,
        card in 0..5_u64,
    ) {
        let trace = failed(&drafts, units, card);
        let diagnosis = diagnose(&trace);
        let blocks = diagnosis.state.segments.iter().flat_map(|s| &s.blocks);
        let held = blocks.filter(|block| !block.pending).count();
        prop_assume!(held <= 12);
        let cheapest = (0..1_u32 << held)
            .filter(|&released| is_served(&diagnosis.state, released, units, card))
            .map(u32::count_ones)
            .min();
        let paid = diagnosis.ransom.as_ref().map(|ransom| ransom.price.get() / UNIT);
        match cheapest {
            None => prop_assert_eq!(paid, None),
            Some(0) => prop_assert!(paid.is_none_or(|paid| paid == 0)),
            Some(blocks) => prop_assert_eq!(paid, Some(u64::from(blocks))),
        }
    }
}
