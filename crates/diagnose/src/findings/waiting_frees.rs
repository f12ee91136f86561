//! # `waiting_frees`: memory let go of that still waits for another stream
//!
//! **What it means.** The program freed these blocks, but had used them on another stream
//! (`record_stream`) whose work is not known to be done. Until then they serve nobody.
//!
//! **Why it happens.** The allocator looks at the other stream's events only when something is
//! allocated. A host that runs far ahead of the device frees faster than the device finishes.
//!
//! **What to do.** Wait for the side stream before freeing (`main.wait_stream(side)`) instead of
//! `record_stream`; free fewer tensors at once; synchronize once an iteration. `empty_cache` waits for all
//! streams and so completes them, which costs a stop of the device.

use gapless_trace::Allocation;

use super::by_site::BySite;
use super::worth::{counted, worth};
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "waiting_frees";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut waiting = BySite::new(case);
    let blocks = case.state.segments.iter().flat_map(|segment| &segment.blocks);
    for block in blocks.filter(|block| block.pending) {
        let allocation: &Allocation = case.trace.allocation(block.allocation);
        waiting.add(allocation.stack, allocation.size);
    }
    let bytes = waiting.total();
    if bytes < worth(case) {
        return Vec::new();
    }
    let count = counted(waiting.count(), "block");
    vec![Finding {
        code: CODE,
        title: format!("{bytes} were freed and wait for another stream"),
        bytes,
        summary: format!(
            "The program let go of {count} that another stream had used and may still be using."
        ),
        evidence: waiting.evidence(|share| format!("{} waiting", counted(share.count, "block"))),
        advice: vec![
            "Make the stream that frees wait for the one that used the block \
             (`stream.wait_stream(side)`) and drop `record_stream`, or synchronize once an \
             iteration."
                .to_owned(),
        ],
    }]
}
