//! # `small_survivors`: small long-lived blocks inside of large segments
//!
//! **What it means.** Blocks that live long each keep a gap far larger than themselves from going back
//! or from serving large requests.
//!
//! **Why it happens.** They were allocated while the cache held large free blocks, for example a
//! parameter, a statistic or an optimizer's state made in the middle of an iteration. The allocator cut
//! the front off a large block for them, and the rest can never be whole again while they live.
//!
//! **What to do.** Make long-lived tensors before the first iteration, or right after
//! `torch.cuda.empty_cache()`, or in a `torch.cuda.MemPool` of their own. `empty_cache` afterwards
//! gives nothing back: these blocks pin their segments. `expandable_segments:True` gives back the whole
//! pages between them.

use super::by_site::BySite;
use super::worth::{counted, try_expandable, worth};
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "small_survivors";

/// How many times its own size a block has to pin.
const TIMES: u64 = 4;
/// A block is long-lived from this share of the recording on, where there are no iterations.
const LONG: usize = 4;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    if case.trace.events.is_empty() {
        // Without a trace nothing says how long a block has lived.
        return Vec::new();
    }
    let long = long_lived(case);
    let now = case.state.instant.events();
    let mut pinned = BySite::new(case);
    let mut live = gapless_units::Bytes::ZERO;
    for pins in &case.blame.blocks {
        let allocation = case.trace.allocation(pins.allocation);
        let small = allocation.size.get().saturating_mul(TIMES) <= pins.bytes.get();
        let old = long <= now.saturating_sub(allocation.born.events());
        if small && old {
            pinned.add(allocation.stack, pins.bytes);
            live += allocation.size;
        }
    }
    let bytes = pinned.total();
    if bytes < worth(case) {
        return Vec::new();
    }
    let count = counted(pinned.count(), "small block");
    vec![Finding {
        code: CODE,
        title: format!("{bytes} of gaps are kept by {count}"),
        bytes,
        summary: format!(
            "{count} of {live} together have lived long and each pins at least {TIMES} times its \
             own size."
        ),
        evidence: pinned.evidence(|share| format!("pinned by {}", counted(share.count, "block"))),
        advice: advice(case),
    }]
}

fn advice(case: &Case<'_>) -> Vec<String> {
    let pool = if case.is_ours() { "private pool" } else { "`torch.cuda.MemPool`" };
    let mut advice = vec![
        format!(
            "Allocate these before the first iteration, right after {}, or in a {pool} of their own.",
            case.flush()
        ),
        format!(
            "{} now gives none of it back: the blocks pin their segments.",
            case.flush_in_short()
        ),
    ];
    advice.extend(try_expandable(case, "a flush then gives back whole pages between them."));
    advice
}

/// The age in events from which a block is long-lived: an iteration, where there are any.
fn long_lived(case: &Case<'_>) -> usize {
    let longest = case
        .iterations
        .and_then(|found| found.spans().map(|(start, end)| end.events() - start.events()).max());
    longest.unwrap_or(case.trace.events.len() / LONG)
}
