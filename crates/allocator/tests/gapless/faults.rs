//! Each call of the device fails in turn: the operation says so, and nothing is lost.

use gapless_allocator::{PageSize, Slack};
use gapless_units::{Bytes, KIB, MIB};

use crate::program::{Circumstances, STREAMS, Step, cases};
use crate::shadow::Shadow;
use crate::subject::{Alone, Shared, Subject};

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// A program that moves many pages: the blocks of each size lie in the way of the next.
fn program(length: usize, seed: u64) -> Vec<Step> {
    let mut numbers = Numbers(seed);
    let sizes = [3 * MIB, 4 * MIB + 512, 2 * MIB, 7 * MIB, 100 * KIB, 2 * MIB + 512, 9 * MIB];
    let mut steps = Vec::with_capacity(length);
    while steps.len() < length {
        let phase = steps.len() / 8;
        let which = usize::try_from(numbers.below(1000)).unwrap_or_default();
        // Most work is on one stream, whose pages move without a wait.
        let stream = numbers.below(4 * STREAMS).saturating_sub(3 * STREAMS);
        steps.push(match numbers.below(31) {
            0..12 => {
                let size = sizes[phase % sizes.len()];
                Step::Allocate { size, stream, private: numbers.below(20) == 0 }
            }
            12..22 => Step::Free(which),
            22 | 23 => Step::Use { which, stream },
            24 => Step::FinishStream(stream),
            25 => Step::Trim(numbers.below(40)),
            26 => Step::Pin(which),
            27 => Step::Unpin(which),
            29 => Step::EnablePeer(u32::try_from(phase / 20).unwrap_or_default()),
            28 if numbers.below(3) == 0 => Step::BeginCapture,
            28 => Step::EndCapture,
            _ => Step::EndStream(stream),
        });
    }
    steps
}

/// Runs a program with faults in `count` calls from the one numbered `first` on; says how many
/// calls there were.
fn run<S: Subject>(
    steps: &[Step],
    under: Circumstances,
    first: u64,
    count: u64,
) -> Result<u64, String> {
    let mut shadow = carry_out::<S>(steps, under, first, count)?;
    let calls = shadow.faults(|it| it.calls());
    shadow.end().map_err(|what| format!("fault {first}, at the end: {what}"))?;
    Ok(calls)
}

/// The same up to its end.
fn carry_out<S: Subject>(
    steps: &[Step],
    under: Circumstances,
    first: u64,
    count: u64,
) -> Result<Shadow<S>, String> {
    let mut shadow = Shadow::<S>::new(under);
    shadow.faults(|it| it.fail(first..first + count));
    let mut since_fault = 0;
    for (number, &step) in steps.iter().enumerate() {
        let context = |what: String| format!("fault {first}, step {number}, {step:?}: {what}");
        shadow.step(step).map_err(context)?;
        // Before the fault all runs are the same.
        if shadow.faults(|it| it.failed()) == 0 && 0 < count {
            continue;
        }
        since_fault += 1;
        if since_fault < 8 || since_fault % 8 == 0 {
            shadow.check().map_err(context)?;
        }
        if since_fault % 16 == 1 {
            shadow.check_segments().map_err(context)?;
        }
    }
    Ok(shadow)
}

/// Whether a program moves, waits and is refused so little that it would show little.
fn is_tame(steps: &[Step], under: Circumstances) -> bool {
    let shadow = carry_out::<Alone>(steps, under, 0, 0);
    let shadow = shadow.unwrap_or_else(|what| panic!("without faults: {what}"));
    let (moves, waits) = shadow.watched(|device| (device.moves, device.waits));
    moves < 10 || waits < 10 || shadow.refused == 0
}

fn each_call_may_fail(steps: &[Step], under: Circumstances, at_once: u64) {
    each_call_of::<Alone>(steps, under, at_once);
    each_call_of::<Shared>(steps, under, at_once);
}

fn each_call_of<S: Subject>(steps: &[Step], under: Circumstances, at_once: u64) {
    let calls = run::<S>(steps, under, 0, 0);
    assert!(calls.is_ok(), "without faults: {calls:?}");
    for first in 1..=calls.unwrap_or_default() {
        let answer = run::<S>(steps, under, first, at_once);
        assert!(answer.is_ok(), "{answer:?}");
    }
}

/// The program of a seed, or of one of the next, that shows something.
fn lively(seed: u64, under: Circumstances) -> Vec<Step> {
    let mut programs = (seed..seed + 10).map(|seed| program(600, seed));
    programs.find(|steps| !is_tame(steps, under)).unwrap_or_else(|| panic!("all are tame"))
}

fn pages_of(page: PageSize) -> Circumstances {
    let (capacity, slack) = (Bytes::mib(64), Slack::NONE);
    Circumstances { capacity, slack, page, mappings: u64::MAX }
}

#[test]
fn any_call_of_the_device_may_fail() {
    let under = pages_of(PageSize::SMALLEST);
    each_call_may_fail(&lively(1, under), under, 1);
}

#[test]
fn any_calls_in_a_row_may_fail() {
    // Also what is called to undo what failed.
    let under = pages_of(PageSize::SMALLEST);
    each_call_may_fail(&lively(2, under), under, 2);
    each_call_may_fail(&lively(3, under), under, 5);
}

#[test]
fn any_call_may_fail_where_pages_are_large() {
    let under = pages_of(PageSize::at_least(Bytes::mib(4)));
    each_call_may_fail(&lively(4, under), under, 1);
    each_call_may_fail(&lively(5, under), under, 3);
}

#[test]
fn any_call_may_fail_where_the_device_keeps_few_mappings() {
    // One for each page, and few more.
    for more in [0, 4] {
        let under = Circumstances { mappings: 32 + more, ..pages_of(PageSize::SMALLEST) };
        each_call_may_fail(&lively(1, under), under, 1 + more / 2);
    }
}

#[test]
fn any_call_of_many_programs_may_fail() {
    let under = pages_of(PageSize::SMALLEST);
    for seed in 10..10 + u64::from(cases(1)) {
        each_call_may_fail(&program(600, seed), under, 1 + seed % 4);
    }
}
