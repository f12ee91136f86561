//! # `leak`: memory that grows with every iteration
//!
//! **What it means.** What the program holds at its lowest point in an iteration is more in each
//! iteration than in the one before. Nothing an allocator does can stop this: it ends out of
//! memory, sooner or later.
//!
//! **Why it happens.** Something keeps tensors of old iterations alive: a loss that is summed up with
//! its graph (`total += loss`), outputs in a list, a cache without a bound, hooks that hold
//! activations.
//!
//! **What to do.** Look at the lines below: blocks from there survive every iteration. Keep numbers
//! instead of tensors (`loss.item()`, `.detach()`), bound caches, clear lists. `empty_cache` and other
//! settings do not help; a restart puts it off.
//!
//! Growth in the first iterations that then stops is `warm_up`, not a leak.

use gapless_trace::Instant;
use gapless_units::Bytes;

use super::by_site::BySite;
use super::worth::{counted, worth};
use crate::case::Case;
use crate::finding::Finding;
use crate::iterations::Iteration;

pub(super) const CODE: &str = "leak";

/// The fewest steps from one iteration to the next that show a rate.
const FEWEST_STEPS: usize = 3;
/// No step may grow by less than this share of the average, or the growth is not steady.
const STEADY: f64 = 0.25;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let Some(late) = case.iterations.and_then(|found| late_half(&found.each)) else {
        return Vec::new();
    };
    let (Some(first), Some(last)) = (late.first(), late.last()) else { return Vec::new() };
    let steps = late.len() - 1;
    let growth = last.floor.requested.saturating_sub(first.floor.requested);
    let average = growth.get() as f64 / steps as f64;
    let steady = late.windows(2).all(|pair| {
        let step = pair[1].floor.requested.saturating_sub(pair[0].floor.requested);
        STEADY * average <= step.get() as f64
    });
    if growth < worth(case) || !steady {
        return Vec::new();
    }
    let survivors = survivors(case, first.start, last.start);
    if survivors.total() < worth(case) {
        return Vec::new();
    }
    let each = Bytes::new(growth.get() / steps as u64);
    vec![Finding {
        code: CODE,
        title: format!("memory grows by about {each} each iteration"),
        bytes: growth,
        summary: format!(
            "At its lowest point an iteration held {} and, {} later, {}: {growth} more that was \
             not let go of. {} from these iterations were still alive at the end.",
            first.floor.requested,
            counted(steps, "iteration"),
            last.floor.requested,
            counted(survivors.count(), "block"),
        ),
        evidence: survivors.evidence(|share| format!("{} survive", counted(share.count, "block"))),
        advice: vec![
            "Find what keeps these tensors: a loss summed up with its graph, outputs kept in a \
             list, a cache without a bound. Keep `loss.item()` or `.detach()` instead."
                .to_owned(),
            format!(
                "{} and allocator settings do not help: the program holds this memory. A \
                 restart only puts it off.",
                case.flush_in_short()
            ),
        ],
    }]
}

/// The second half of the iterations, behind all warming up.
fn late_half(each: &[Iteration]) -> Option<&[Iteration]> {
    let late = &each[each.len() / 3..];
    (FEWEST_STEPS < late.len()).then_some(late)
}

/// What was born between two instants and is alive at the end.
fn survivors<'a>(case: &Case<'a>, from: Instant, to: Instant) -> BySite<'a> {
    let mut survivors = BySite::new(case);
    let end = case.trace.end();
    for allocation in &case.trace.allocations {
        let born = from < allocation.born && allocation.born <= to;
        if born && end < allocation.let_go {
            survivors.add(allocation.stack, allocation.requested);
        }
    }
    survivors
}
