//! # `cache_growth` and `creeping_fragmentation`: reserved rises though need does not
//!
//! **What it means.** Iteration by iteration the allocator holds more memory beyond the most that was
//! ever in use at once. Where most of the free memory is in whole segments the *cache grew*; where
//! it lies in gaps beside live blocks, *fragmentation creeps*.
//!
//! **Why it happens.** Sizes that change from one iteration to the next fit no cached block, so new
//! segments are asked for while old ones lie unused or are cut into pieces.
//!
//! **What to do.** Make sizes repeat: fixed batch shapes, padding to a few lengths (`varying_sizes`
//! says which). For a cache that grew, `torch.cuda.empty_cache()` between iterations gives the whole
//! segments back, at the price of asking again. Gaps beside live blocks it cannot give back;
//! `expandable_segments:True` avoids most of them.

use gapless_units::Bytes;

use super::worth::{try_expandable, worth};
use crate::case::Case;
use crate::finding::Finding;
use crate::iterations::Iteration;
use crate::ledger::Cause;

pub(super) const CODE: &str = "cache_growth";
const CREEPING: &str = "creeping_fragmentation";

/// The fewest iterations that show a trend.
const FEWEST: usize = 3;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let Some(iterations) = case.iterations.filter(|found| FEWEST <= found.count()) else {
        return Vec::new();
    };
    let beyond = beyond_need(&iterations.each);
    let (Some(&first), Some(&last)) = (beyond.first(), beyond.last()) else { return Vec::new() };
    let growth = last.saturating_sub(first);
    let rises = beyond.windows(2).filter(|pair| pair[0] < pair[1]).count();
    if growth < worth(case) || rises * 2 < beyond.len() - 1 {
        return Vec::new();
    }
    let pinned = case.ledger.bytes(Cause::PinnedGap);
    let releasable = case.ledger.bytes(Cause::Releasable);
    let creeps = releasable < pinned;
    let (code, title) = if creeps {
        (CREEPING, format!("fragmentation grew by {growth} over the iterations"))
    } else {
        (CODE, format!("the cache grew by {growth} beyond what was needed"))
    };
    vec![Finding {
        code,
        title,
        bytes: growth,
        summary: format!(
            "Beyond the most that had been in use at once, {first} were reserved after the first \
             iteration and {last} after the last. Of what is free now, {pinned} lie beside live \
             blocks and {releasable} are whole."
        ),
        evidence: Vec::new(),
        advice: advice(case, creeps),
    }]
}

/// What was reserved at the end of each iteration beyond the most in use at once until then.
fn beyond_need(each: &[Iteration]) -> Vec<Bytes> {
    let mut most = Bytes::ZERO;
    let beyond = each.iter().map(|iteration| {
        most = most.max(iteration.peak.active);
        iteration.last.reserved.saturating_sub(most)
    });
    beyond.collect()
}

fn advice(case: &Case<'_>, creeps: bool) -> Vec<String> {
    let pinned = case.ledger.bytes(Cause::PinnedGap);
    let flushable = case.ledger.flushable();
    let sizes = "Make sizes repeat: fixed batch shapes, or padding to a few lengths.".to_owned();
    let flush = format!(
        "{} between iterations would give back {flushable}; the {pinned} beside live blocks stay.",
        case.flush()
    );
    let expand = try_expandable(case, "growing segments need no new ones for new sizes.");
    let (first, last) = if creeps { (sizes, flush) } else { (flush, sizes) };
    [Some(first), expand, Some(last)].into_iter().flatten().collect()
}
