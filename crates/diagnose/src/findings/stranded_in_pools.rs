//! # `stranded_in_pools`: free memory that only a private pool can use
//!
//! **What it means.** Captured CUDA graphs and `torch.cuda.MemPool`s have memory of their own. What is free
//! there serves nobody else, and a cache flush does not give it back while the pool lives.
//!
//! **Why it happens.** A captured graph keeps all memory of its capture, at its high-water mark, to replay
//! into the same addresses.
//!
//! **What to do.** Let graphs share one pool (`pool=` of `torch.cuda.graph`), capture the largest shape
//! first, drop graphs that are not replayed any more. A `MemPool` with `use_on_oom=True` lends when all
//! else fails. `empty_cache` helps only for pools whose last owner is gone.

use super::stranded::stranded;
use super::worth::worth;
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "stranded_in_pools";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let (bytes, evidence) = stranded(case, |share| share.pool.is_private());
    if bytes < worth(case) {
        return Vec::new();
    }
    vec![Finding {
        code: CODE,
        title: format!("{bytes} are free in private pools"),
        bytes,
        summary: format!(
            "{bytes} of free memory belong to captured graphs or memory pools, and nothing else \
             can use them while these live."
        ),
        evidence,
        advice: vec![format!(
            "Let graphs share one pool, capture the largest shape first, drop graphs that are no \
             longer replayed. {}",
            if case.is_ours() {
                "`end_pool` then lets others have what is free."
            } else {
                "`empty_cache` helps only for pools whose owner is gone."
            }
        )],
    }]
}
