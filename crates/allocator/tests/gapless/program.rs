//! Random programs.

use gapless_allocator::{PageSize, Slack};
use gapless_device::Sim;
use gapless_units::{Bytes, KIB, MIB};
use proptest::prelude::*;

/// How many streams there are.
pub(crate) const STREAMS: u64 = 3;

/// How many programs to try: more than usual where `GAPLESS_CASES` says so.
#[expect(clippy::disallowed_methods, reason = "how long to test is said in the environment")]
pub(crate) fn cases(usual: u32) -> u32 {
    std::env::var("GAPLESS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What a program does; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Allocate { size: u64, stream: u64, private: bool },
    Free(usize),
    FreeTwice,
    Use { which: usize, stream: u64 },
    FinishStream(u64),
    FinishAll,
    Trim(u64),
    EmptyCache,
    Pin(usize),
    Unpin(usize),
    EndPool,
    EndStream(u64),
    EnablePeer(u32),
    BeginCapture,
    EndCapture,
    Change(Slack),
}

/// Under which circumstances a program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) capacity: Bytes,
    pub(crate) slack: Slack,
    pub(crate) page: PageSize,
    /// How many mappings the device keeps.
    pub(crate) mappings: u64,
}

fn slack() -> impl Strategy<Value = Slack> {
    let some = Slack { share: 0.0, least: Bytes::mib(8) };
    prop::sample::select(vec![Slack::NONE, Slack::NONE, Slack::DEFAULT, some])
}

pub(crate) fn circumstances() -> impl Strategy<Value = Circumstances> {
    let page =
        prop::sample::select(vec![2, 2, 4, 8]).prop_map(|mib| PageSize::at_least(Bytes::mib(mib)));
    // One for each page, and few more or any number.
    let more = prop_oneof![2 => Just(u64::MAX), 1 => 0..6_u64];
    (12..32_u64, slack(), page, more).prop_map(|(granules, slack, page, more)| {
        let capacity = Bytes::mib(2 * granules);
        let pages = capacity.get() / page.over(Sim::GRANULE).get();
        let mappings = pages.saturating_add(more);
        Circumstances { capacity, slack, page, mappings }
    })
}

fn size() -> impl Strategy<Value = u64> {
    // A size and the same with 512 bytes more do not fit into each other's gaps.
    let twins = prop::sample::select(vec![512, 64 * KIB, MIB, 3 * MIB, 4 * MIB, 7 * MIB, 10 * MIB]);
    let edge = (-2..3_i64, 1..10_u64);
    prop_oneof![
        2 => 1..4 * KIB,
        2 => 1..MIB,
        2 => MIB..6 * MIB,
        1 => 1..20 * MIB + 1,
        4 => (twins, any::<bool>()).prop_map(|(size, more)| size + if more { 512 } else { 0 }),
        4 => edge.prop_map(|(beside, pages)| (pages * 2 * MIB).saturating_add_signed(beside * 256)),
    ]
}

/// The steps of a program, which is long now and then.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        7 => prop::collection::vec(step(), 0..200),
        1 => prop::collection::vec(step(), 200..600),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<usize>();
    let stream = || prop_oneof![3 => Just(0_u64), 2 => 1..STREAMS];
    let private = || prop::bool::weighted(0.1);
    prop_oneof![
        40 => (size(), stream(), private())
            .prop_map(|(size, stream, private)| Step::Allocate { size, stream, private }),
        36 => which().prop_map(Step::Free),
        1 => Just(Step::FreeTwice),
        8 => (which(), 0..STREAMS).prop_map(|(which, stream)| Step::Use { which, stream }),
        4 => (0..STREAMS).prop_map(Step::FinishStream),
        2 => Just(Step::FinishAll),
        1 => (0..48_u64).prop_map(Step::Trim),
        1 => Just(Step::EmptyCache),
        2 => which().prop_map(Step::Pin),
        2 => which().prop_map(Step::Unpin),
        1 => prop::bool::weighted(0.2)
            .prop_map(|ends| if ends { Step::EndPool } else { Step::FinishAll }),
        1 => (0..STREAMS).prop_map(Step::EndStream),
        1 => (0..12_u32).prop_map(|peer| Step::EnablePeer(peer / 6)),
        1 => prop::bool::weighted(0.3)
            .prop_map(|begins| if begins { Step::BeginCapture } else { Step::EndCapture }),
        1 => slack().prop_map(Step::Change),
    ]
}
