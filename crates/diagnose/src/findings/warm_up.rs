//! # `warm_up`: memory that grew once and stayed
//!
//! **What it means.** The first iterations took memory that later ones kept and did not add to. This
//! is no leak.
//!
//! **Why it happens.** Optimizers make their state in the first step (Adam keeps two numbers for each
//! parameter), gradients are made once, libraries make workspaces, caches fill.
//!
//! **What to do.** Count on it: measure after the first iterations, not before. To take less, use an
//! optimizer with less state, or one that keeps it in fewer bits or shards it; mixed precision does
//! not shrink optimizer state kept in 32 bits.

use gapless_trace::Instant;

use super::by_site::BySite;
use super::worth::{counted, worth};
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "warm_up";

/// Later iterations may grow by this share of the warm-up and still count as flat.
const FLAT: f64 = 0.05;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let Some(iterations) = case.iterations else { return Vec::new() };
    let each = &iterations.each;
    let [first, second, .., last] = each.as_slice() else { return Vec::new() };
    let before = case.trace.start_totals().requested.max(first.floor.requested);
    let grown = second.floor.requested.saturating_sub(before);
    let later = last.floor.requested.saturating_sub(second.floor.requested);
    if grown < worth(case) || FLAT * (grown.get() as f64) < later.get() as f64 {
        return Vec::new();
    }
    // Where iterations begin in the middle of the work, their lowest points differ though nothing
    // stays.
    let kept = kept_from(case, first.start, second.start);
    if kept.total() < worth(case) {
        return Vec::new();
    }
    vec![Finding {
        code: CODE,
        title: format!("the first iteration took {grown} that stayed"),
        bytes: grown,
        summary: format!(
            "At their lowest points the first iteration held {}, the second {}, and the last {}: \
             memory grew once and then stayed. This is no leak.",
            first.floor.requested, second.floor.requested, last.floor.requested
        ),
        evidence: kept.evidence(|share| format!("{} stayed", counted(share.count, "block"))),
        advice: vec![format!(
            "Count on it: measure after the first iterations. An optimizer with less state, or \
             with its state in fewer bits or sharded, takes less; a restart or {} does not.",
            case.flush_in_short()
        )],
    }]
}

/// What was born between two instants and is alive at the end.
fn kept_from<'a>(case: &Case<'a>, from: Instant, to: Instant) -> BySite<'a> {
    let mut kept = BySite::new(case);
    for allocation in &case.trace.allocations {
        let born = from < allocation.born && allocation.born <= to;
        if born && case.trace.end() < allocation.let_go {
            kept.add(allocation.stack, allocation.requested);
        }
    }
    kept
}
