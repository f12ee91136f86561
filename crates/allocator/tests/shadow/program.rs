//! Random programs and settings.

use gapless_allocator::caching::PoolOptions;
use gapless_device::{Completion, Placement};
use gapless_trace::{Release, Settings};
use gapless_units::{Bytes, KIB, MIB};
use proptest::prelude::*;

/// What a program does; the numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Allocate { size: u64, stream: u64, pool: usize },
    Free(usize),
    FreeTwice,
    Use { which: usize, stream: u64 },
    FinishStream(u64),
    FinishAll,
    EmptyCache,
    Capture,
    EndPool(usize),
    Change(Box<Settings>),
    Fraction(f64),
}

/// Under which circumstances a program runs.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) settings: Settings,
    pub(crate) release: Release,
    pub(crate) capacity: Bytes,
    pub(crate) placement: Placement,
    pub(crate) completion: Completion,
    pub(crate) pools: [PoolOptions; 2],
}

fn size() -> impl Strategy<Value = u64> {
    let edge = (-2..3_i64, prop::sample::select(vec![MIB, 2 * MIB, 10 * MIB, 20 * MIB, 64 * MIB]));
    prop_oneof![
        3 => 1..4 * KIB,
        3 => 1..2 * MIB,
        4 => MIB..12 * MIB,
        2 => 10 * MIB..70 * MIB,
        2 => (1..16_u64).prop_map(|count| count * MIB),
        1 => edge.prop_map(|(beside, size)| size.saturating_add_signed(beside * 512)),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let which = || any::<usize>();
    // Most work happens on one stream, in no private pool.
    let stream = || prop_oneof![4 => Just(0_u64), 1 => 1..4_u64];
    let pool = prop_oneof![4 => Just(0_usize), 1 => 1..3_usize];
    prop_oneof![
        40 => (size(), stream(), pool)
            .prop_map(|(size, stream, pool)| Step::Allocate { size, stream, pool }),
        34 => which().prop_map(Step::Free),
        1 => Just(Step::FreeTwice),
        8 => (which(), 0..4_u64).prop_map(|(which, stream)| Step::Use { which, stream }),
        3 => (0..4_u64).prop_map(Step::FinishStream),
        1 => Just(Step::FinishAll),
        2 => Just(Step::EmptyCache),
        2 => Just(Step::Capture),
        1 => (0..2_usize).prop_map(Step::EndPool),
        1 => settings().prop_map(|settings| Step::Change(Box::new(settings))),
        1 => prop::sample::select(vec![0.3, 0.7, 1.0]).prop_map(Step::Fraction),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let limit = prop::sample::select(vec![None, None, Some(32), Some(40), Some(64)]);
    let window = prop::sample::select(vec![None, None, Some(32), Some(48)]);
    let threshold = prop::sample::select(vec![None, Some(0.3), Some(0.8)]);
    let divisions = prop::sample::select(vec![0, 0, 1, 2, 4, 16]);
    let large = prop::sample::select(vec![20, 20, 12, 32]);
    let fraction = prop::sample::select(vec![None, None, Some(0.5), Some(0.9)]);
    let switches = (any::<bool>(), prop::bool::weighted(0.1));
    (limit, window, threshold, divisions, large, fraction, switches).prop_map(
        |(limit, window, threshold, divisions, large, fraction, (expandable, throws))| Settings {
            max_split_size: limit.map(Bytes::mib),
            max_non_split_rounding: window.map(Bytes::mib),
            garbage_collection_threshold: threshold,
            roundup_power2_divisions: [divisions; 16],
            large_segment_size: Bytes::mib(large),
            memory_fraction: fraction,
            expandable_segments: expandable,
            throw_on_oom: throws,
            ..Settings::default()
        },
    )
}

pub(crate) fn circumstances() -> impl Strategy<Value = Circumstances> {
    let plain = Just(Settings::default());
    let settings = prop_oneof![1 => plain, 3 => settings()];
    let release = prop::sample::select(vec![(2, 4), (2, 8), (2, 11), (2, 13), (2, 15)]);
    let capacity = prop_oneof![1 => Just(8192_u64), 3 => 32..300_u64];
    let completion = prop::sample::select(vec![
        Completion::AtOnce,
        Completion::AfterQueries(3),
        Completion::WhenTold,
    ]);
    let options = || {
        (prop::bool::weighted(0.3), any::<bool>())
            .prop_map(|(no_split, use_on_oom)| PoolOptions { no_split, use_on_oom })
    };
    let placement = prop::sample::select(vec![Placement::LowestFirst, Placement::HighestFirst]);
    (settings, release, capacity, placement, completion, [options(), options()]).prop_map(
        |(settings, (major, minor), capacity, placement, completion, pools)| Circumstances {
            settings,
            release: Release::new(major, minor),
            capacity: Bytes::mib(capacity & !1),
            placement,
            completion,
            pools,
        },
    )
}
