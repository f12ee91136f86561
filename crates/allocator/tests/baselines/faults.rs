//! Each call of the device fails in turn: the operation says so, and nothing is lost.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{
    Bfc, BfcSettings, GmLake, GmLakeSettings, PageSteal, PageStealSettings, Policy, RmmArena,
    RmmArenaSettings, StreamPool, StreamPoolSettings, Tlsf, TlsfSettings,
};
use gapless_units::{Bytes, KIB, MIB};

use crate::program::{STREAMS, Step};
use crate::shadow::Shadow;

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// A program that fragments: the blocks of each size lie in the way of the next.
fn program(length: usize, seed: u64) -> Vec<Step> {
    let mut numbers = Numbers(seed);
    let sizes = [3 * MIB, 4 * MIB + 512, 2 * MIB, 7 * MIB, 100 * KIB, 2 * MIB + 512, 9 * MIB];
    let mut steps = Vec::with_capacity(length);
    while steps.len() < length {
        let phase = steps.len() / 8;
        let which = usize::try_from(numbers.below(1000)).unwrap_or_default();
        let stream = numbers.below(4 * STREAMS).saturating_sub(3 * STREAMS);
        steps.push(match numbers.below(28) {
            0..12 => {
                let size = sizes[phase % sizes.len()];
                Step::Allocate { size, stream, private: numbers.below(20) == 0 }
            }
            12..22 => Step::Free(which),
            22 | 23 => Step::Use { which, stream },
            24 | 25 => Step::FinishStream(stream),
            26 => Step::Synchronize,
            _ => Step::EmptyCache,
        });
    }
    steps
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    calls: u64,
    moves: u64,
    waits: u64,
    refused: u64,
}

/// Runs a program with faults in `count` calls from the one numbered `first` on.
fn run<P: Policy>(
    steps: &[Step],
    settings: &P::Settings,
    first: u64,
    count: u64,
) -> Result<Course, String> {
    let mut shadow = Shadow::<P>::new(Bytes::mib(64), settings.clone());
    shadow.allocator.device_mut().fail(first..first + count);
    let mut since_fault = 0;
    for (number, &step) in steps.iter().enumerate() {
        let context = |what: String| format!("fault {first}, step {number}, {step:?}: {what}");
        shadow.step(step).map_err(context)?;
        // Before the fault all runs are the same.
        if shadow.allocator.device().failed() == 0 && 0 < count {
            continue;
        }
        since_fault += 1;
        if since_fault < 8 || since_fault % 8 == 0 {
            shadow.check().map_err(context)?;
        }
    }
    let device = shadow.allocator.device();
    let (calls, moves, waits) = (device.calls(), device.device().moves, device.device().waits);
    let refused = shadow.refused;
    shadow.end().map_err(|what| format!("fault {first}, at the end: {what}"))?;
    Ok(Course { calls, moves, waits, refused })
}

/// One call fails in each run, and then several in a row, also what is called to undo what failed.
/// The program is one that moves memory so often, or oftener.
fn any_call_may_fail<P: Policy>(settings: &P::Settings, moves: u64) -> Result<(), String> {
    for (seed, at_once) in [(1, 1), (2, 2), (3, 5)] {
        let steps = program(300, seed);
        let course = run::<P>(&steps, settings, 0, 0)?;
        // A program without these would show nothing.
        if course.moves < moves || course.waits < 10 || course.refused == 0 {
            return Err(format!("a tame program: {course:?}"));
        }
        for first in 1..=course.calls {
            run::<P>(&steps, settings, first, at_once)?;
        }
    }
    Ok(())
}

#[test]
fn any_call_of_gmlake_may_fail() {
    let (stitch_from, stitched_limit) = (Bytes::mib(4), Bytes::mib(48));
    let eager = GmLakeSettings { stitch_from, stitched_limit, ..GmLakeSettings::default() };
    assert_eq!(any_call_may_fail::<GmLake>(&eager, 20), Ok(()));
}

#[test]
fn any_call_of_page_steal_may_fail() {
    assert_eq!(any_call_may_fail::<PageSteal>(&PageStealSettings, 20), Ok(()));
}

#[test]
fn any_call_of_bfc_may_fail() {
    assert_eq!(any_call_may_fail::<Bfc>(&BfcSettings::default(), 0), Ok(()));
}

#[test]
fn any_call_of_tlsf_may_fail() {
    let shared = TlsfSettings { largest_region: Bytes::mib(8), kept_regions: 1 };
    assert_eq!(any_call_may_fail::<Tlsf>(&shared, 0), Ok(()));
}

#[test]
fn any_call_of_stream_pool_may_fail() {
    assert_eq!(any_call_may_fail::<StreamPool>(&StreamPoolSettings::default(), 20), Ok(()));
}

#[test]
fn any_call_of_rmm_arena_may_fail() {
    assert_eq!(any_call_may_fail::<RmmArena>(&RmmArenaSettings::default(), 0), Ok(()));
}
