//! # `surplus`: far more is reserved than was ever in use at once
//!
//! **What it means.** At the end the allocator holds more memory than the most that the iterations,
//! or the whole recording, had in use at once. The difference serves nobody: not this
//! program, and not others on the card.
//!
//! **Why it happens.** A one-time peak (loading a checkpoint, a validation pass, one long batch), or
//! segments that later sizes do not fit.
//!
//! **What to do.** After the one-time peak call `torch.cuda.empty_cache()` once: whole segments go
//! back. It helps other programs and later large requests; inside of a loop it only costs time.

use gapless_units::Bytes;

use super::worth::worth;
use crate::case::Case;
use crate::finding::Finding;
use crate::ledger::{Cause, Ledger};
use crate::request::Request;

pub(super) const CODE: &str = "surplus";

/// Less than this share of what is reserved is the usual price of caching.
const SHARE: f64 = 0.05;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let reserved = case.ledger.reserved();
    let failed = case.request.and_then(Request::device_free).is_some();
    let Some((needed, whose)) = needed(case).filter(|_| !failed) else { return Vec::new() };
    let surplus = reserved.saturating_sub(needed);
    let at_end = case.state.instant == case.trace.end();
    if surplus < worth(case) || surplus.share_of(reserved) < SHARE || !at_end {
        return Vec::new();
    }
    let flushable = case.ledger.flushable();
    let back = surplus.min(flushable);
    let mut advice = Vec::new();
    if worth(case) <= back {
        advice.push(format!(
            "Call {} once after the peak, not in the loop: up to {back} would go back to the card. \
             What later iterations need they ask for again.",
            case.flush()
        ));
    }
    if flushable < surplus {
        advice.push(format!(
            "{} of it lie beside live blocks{}, where no flush reaches them: see what holds the \
             gaps.",
            surplus - flushable,
            elsewhere(case.ledger)
        ));
    }
    vec![Finding {
        code: CODE,
        title: format!("{surplus} are reserved beyond any need"),
        bytes: surplus,
        summary: format!("{reserved} are reserved; {whose} had at most {needed} in use at once."),
        evidence: Vec::new(),
        advice,
    }]
}

/// Where else a flush does not reach.
fn elsewhere(ledger: &Ledger) -> &'static str {
    let pinned = ledger.pinned_free;
    let in_pools = ledger.bytes(Cause::Releasable) - ledger.flushable() - pinned;
    match (in_pools.is_zero(), pinned.is_zero()) {
        (true, true) => "",
        (false, true) => " or in private pools",
        (true, false) => " or in pinned pages",
        (false, false) => ", in private pools or in pinned pages",
    }
}

/// The most that was in use at once after the first iteration, or in a recording that saw it all;
/// the part of a program that a late recording saw may need less than the rest.
fn needed(case: &Case<'_>) -> Option<(Bytes, &'static str)> {
    let of_iterations = case.iterations.and_then(|found| {
        let later = found.each.iter().skip(usize::from(2 < found.count()));
        later.map(|iteration| iteration.peak.active).max()
    });
    let whole = case.trace.start_totals().reserved.is_zero();
    match of_iterations {
        Some(needed) => Some((needed, "the iterations")),
        None => whole.then(|| (case.trace.peak_totals().active, "the whole recording")),
    }
}
