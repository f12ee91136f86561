//! Allocators over real memory: what a program wrote to a block is there until the block is free,
//! whatever is remapped meanwhile, and however far streams lag behind.
//!
//! Each block is filled on its own stream when it is given, read on other streams, which the
//! allocator is told, and compared on its own stream as the last thing before it is freed. So
//! memory that is handed on too early, shared, or mapped elsewhere shows as wrong bytes, and a
//! mapping that goes away too early as a fault. A graph that runs again writes where blocks of its pool
//! were: so memory that left the pool shows as well.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]

#[path = "../shadow/counted.rs"]
mod counted;
#[path = "../real/memory.rs"]
mod memory;
mod program;

use gapless_allocator::{
    Allocator, CachingAllocator, GaplessAllocator, Happening, Observer, PageSize, Slack,
};
use gapless_device::{Device, Host, HostSetup, Pace};
use gapless_trace::{Action, Release, Settings};
use gapless_units::{Bytes, KIB, MIB};
use proptest::prelude::*;

use memory::Card;
use program::{Program, Step};

const STREAMS: u64 = 3;

/// Steps with sizes up to so many units.
fn step(unit: u64) -> impl Strategy<Value = Step> {
    let size = prop_oneof![1 => 1..unit / 4, 3 => 1..3 * unit, 2 => 2 * unit..7 * unit];
    let stream = || prop_oneof![3 => Just(0_u64), 2 => 1..STREAMS];
    prop_oneof![
        20 => (size, stream(), prop::bool::weighted(0.1))
            .prop_map(|(size, stream, private)| Step::Allocate { size, stream, private }),
        17 => any::<usize>().prop_map(Step::Free),
        6 => (any::<usize>(), 0..STREAMS).prop_map(|(which, stream)| Step::Use { which, stream }),
        2 => (0..STREAMS).prop_map(Step::Wait),
        1 => Just(Step::EmptyCache),
        1 => (0..40_u64).prop_map(Step::Trim),
        1 => any::<usize>().prop_map(Step::Pin),
        1 => any::<usize>().prop_map(Step::Unpin),
        1 => prop::sample::select(vec![Step::BeginCapture, Step::EndCapture, Step::EndCapture]),
        1 => prop::sample::select(vec![Step::RunGraphs, Step::RunGraphs, Step::EndPool]),
    ]
}

fn pace() -> impl Strategy<Value = Pace> {
    prop::sample::select(vec![Pace::AtOnce, Pace::WhenAwaited])
}

fn host(setup: HostSetup) -> Host {
    Host::new(setup).unwrap()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() }
}

/// A program of so many operations, its numbers from a generator that is always the same (Knuth's
/// constants for 64 bits). Most blocks are small, so that many operations take little time.
fn long_program(steps: u64, unit: u64) -> impl Iterator<Item = Step> {
    let mut number = 1_u64;
    let mut below = move |limit: u64| {
        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (number >> 33) % limit
    };
    (0..steps).map(move |_| {
        let which = usize::try_from(below(1000)).unwrap();
        // Most work is on one stream, whose pages move without a wait.
        let stream = below(2 * STREAMS).saturating_sub(STREAMS);
        match below(400) {
            0..195 => {
                let size = match below(64) {
                    0..2 => unit + below(4 * unit),
                    2..6 => 1 + below(unit),
                    _ => 1 + below(unit / 32),
                };
                Step::Allocate { size, stream, private: below(64) == 0 }
            }
            195..387 => Step::Free(which),
            387 => Step::Pin(which),
            388 => Step::Unpin(which),
            389..396 => Step::Use { which, stream: below(STREAMS) },
            396..399 => Step::Wait(stream),
            _ => match below(100) {
                0..2 => Step::EmptyCache,
                2..6 => Step::Trim(below(24)),
                6..12 => Step::BeginCapture,
                12..36 => Step::EndCapture,
                36..50 => Step::RunGraphs,
                50 => Step::EndPool,
                _ => Step::Free(which),
            },
        }
    })
}

/// `GAPLESS_STEPS` makes it longer.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long to test is said in the environment")]
fn a_long_program_loses_no_data() {
    let steps = std::env::var("GAPLESS_STEPS").map_or(200_000, |text| text.parse().unwrap());
    let granule = Bytes::new(16 * KIB);
    for pace in [Pace::AtOnce, Pace::WhenAwaited] {
        let setup = HostSetup { granule, pace, ..HostSetup::new(Bytes::new(24 * granule.get())) };
        let program =
            Program::new(host(setup), |host| GaplessAllocator::new(host, Slack::NONE, ()));
        let allocator = program.run(long_program(steps / 2, granule.get()));
        // A program that always finds room, and never what another stream uses, would show little.
        let statistics = allocator.statistics();
        assert!(0 < statistics.num_ooms);
        assert!(pace == Pace::AtOnce || 0 < allocator.stalls());
        assert!(allocator.device().memory().total.get() < statistics.allocated_bytes.all.allocated);
    }
}

/// The same on a card, where there is one: kernels write and look, and streams lag because they are busy.
/// `GAPLESS_STEPS` makes it longer.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long to test is said in the environment")]
fn a_long_program_loses_no_data_on_a_card() {
    let steps = std::env::var("GAPLESS_STEPS").map_or(20_000, |text| text.parse().unwrap());
    let granule = Bytes::mib(2);
    let Some(card) = Card::open(Bytes::mib(48), STREAMS) else { return };
    let program = Program::new(card, |cuda| GaplessAllocator::new(cuda, Slack::NONE, ()));
    let allocator = program.run(long_program(steps, granule.get()));
    let statistics = allocator.statistics();
    assert!(0 < statistics.num_ooms);
    assert!(0 < allocator.stalls());
}

/// Counts slots that get memory.
#[derive(Debug, Default)]
struct Mapped(u64);

impl Observer for Mapped {
    fn observe(&mut self, happening: Happening) {
        self.0 += u64::from(happening.action == Action::SegmentMap);
    }
}

/// The steps of each of so many turns, which are alike: 150 blocks each, some of which live into the
/// next turn. `are_used` says whether those are used on another stream as well.
fn turns(count: usize, unit: u64, are_used: bool) -> Vec<Vec<Step>> {
    let mut number = 5_u64;
    let mut below = move |limit: u64| {
        number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (number >> 33) % limit
    };
    let asked: Vec<(u64, usize)> = (0..150)
        .map(|_| {
            let size = if below(2) == 0 { 1 + below(unit / 16) } else { 1 + below(8 * unit) };
            let longest = if below(8) == 0 { 300 } else { 12 };
            (size, usize::try_from(1 + below(longest)).unwrap())
        })
        .collect();
    // For each block that is held, before which request it is freed.
    let mut held: Vec<usize> = Vec::new();
    let turn = |turn: usize| {
        let mut steps = Vec::new();
        for (place, &(size, life)) in asked.iter().enumerate() {
            let now = 150 * turn + place;
            while let Some(which) = held.iter().position(|&end| end <= now) {
                held.swap_remove(which);
                steps.push(Step::Free(which));
            }
            steps.push(Step::Allocate { size, stream: 0, private: false });
            held.push(now + life);
            if are_used && 60 < life {
                steps.push(Step::Use { which: held.len() - 1, stream: 1 });
                steps.push(Step::Wait(1));
            }
        }
        steps
    };
    (0..count).map(turn).collect()
}

#[test]
fn a_program_that_is_planned_loses_no_data() {
    let granule = Bytes::new(16 * KIB);
    for pace in [Pace::AtOnce, Pace::WhenAwaited] {
        let setup = HostSetup { granule, pace, ..HostSetup::new(Bytes::mib(64)) };
        let make = |host| GaplessAllocator::new(host, Slack::NONE, Mapped::default());
        let mut program = Program::new(host(setup), make);
        let mut mapped = Vec::new();
        // When another stream that works at once is done is not known, and so not learnt.
        let are_used = pace == Pace::WhenAwaited;
        for turn in turns(80, granule.get(), are_used) {
            let before = program.allocator.observer().0;
            for step in turn {
                program.step(step);
                program.check_data(&step);
            }
            mapped.push(program.allocator.observer().0 - before);
        }
        // How far streams are that work at once is chance, and so is when a plan fits.
        if pace == Pace::WhenAwaited {
            let restless = mapped[5..25].iter().filter(|&&count| 0 < count).count();
            assert!(5 < restless, "a tame program: {mapped:?}");
            // Two slots may take turns at a page.
            assert!(mapped[70..].iter().all(|&count| count <= 2), "a plan is followed: {mapped:?}");
        }
        program.run([]);
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn the_gapless_allocator_loses_no_data(
        steps in prop::collection::vec(step(64 * KIB), 0..120),
        granules in 12..40_u64,
        page in prop::sample::select(vec![PageSize::SMALLEST, PageSize::at_least(Bytes::new(256 * KIB))]),
        pace in pace(),
    ) {
        let granule = Bytes::new(64 * KIB);
        let setup = HostSetup { granule, pace, ..HostSetup::new(Bytes::new(granules * granule.get())) };
        let make = |host| GaplessAllocator::with_pages(host, page, Slack::NONE, ());
        Program::new(host(setup), make).run(steps);
    }

    #[test]
    fn the_caching_allocator_loses_no_data(
        steps in prop::collection::vec(step(MIB), 0..60),
        capacity in 20..60_u64,
        expandable_segments in any::<bool>(),
        pace in pace(),
    ) {
        let settings = Settings { expandable_segments, ..Settings::default() };
        let make = |host| CachingAllocator::new(host, &settings, Release::new(2, 15), ());
        let setup = HostSetup { pace, ..HostSetup::new(Bytes::mib(2 * capacity)) };
        Program::new(host(setup), make).run(steps);
    }
}
