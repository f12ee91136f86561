//! # `peak_makers`: what the memory in use consists of when there is truly too little
//!
//! **What it means.** The request failed although no byte was lost to gaps that could have helped: what
//! the program holds and what it asks for exceed the card. Only holding less helps.
//!
//! **Why it happens.** The model, its optimizer's state, or the activations of one iteration are too large
//! for the card.
//!
//! **What to do.** Activations: a smaller batch, gradient checkpointing, mixed precision (halves
//! activations, not 32-bit optimizer state). Weights and state: sharding, offloading, fewer bits.
//! `empty_cache`, allocator settings and a restart do not help.

use gapless_trace::Instant;

use super::by_site::BySite;
use super::worth::{counted, worth};
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "peak_makers";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let failed = case.request.and_then(|request| Some((request, request.device_free()?)));
    let Some((request, card)) = failed else { return Vec::new() };
    let has = case.ledger.reserved() + card;
    if case.ledger.active() + request.rounded <= has {
        return Vec::new();
    }
    let instant: Instant = case.state.instant;
    let mut alive = BySite::new(case);
    for allocation in case.trace.allocations.iter().filter(|a| a.is_active(instant)) {
        alive.add(allocation.stack, allocation.size);
    }
    let bytes = alive.total();
    if bytes < worth(case) {
        return Vec::new();
    }
    let count = counted(alive.count(), "block");
    vec![Finding {
        code: CODE,
        title: format!("{bytes} were in use when the request failed"),
        bytes,
        summary: format!(
            "{count} were alive, {bytes} together; with the {} asked for they exceed the {has} \
             that the card has for this program.",
            request.requested
        ),
        evidence: alive.evidence(|share| counted(share.count, "live block")),
        advice: vec![
            "Hold less: a smaller batch, gradient checkpointing or mixed precision for \
             activations; sharding, offloading or fewer bits for weights and optimizer state."
                .to_owned(),
            format!(
                "{}, allocator settings and a restart do not help: nothing is lost to gaps.",
                case.flush_in_short()
            ),
        ],
    }]
}
