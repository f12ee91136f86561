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

use gapless_units::Bytes;

use super::worth::worth;
use crate::case::Case;
use crate::finding::{Evidence, Finding};
use crate::ledger::PoolShare;

pub(super) const CODE: &str = "stranded_in_pools";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let private: Vec<&PoolShare> = case
        .ledger
        .pools
        .iter()
        .filter(|share| share.pool.is_private() && !share.free().is_zero())
        .collect();
    let bytes: Bytes = private.iter().map(|share| share.free()).sum();
    if bytes < worth(case) {
        return Vec::new();
    }
    let evidence = |share: &&PoolShare| Evidence {
        what: format!(
            "pool {}, {} blocks, stream {}: {} free of {} reserved",
            share.pool,
            share.size_pool.word(),
            share.stream,
            share.free(),
            share.reserved()
        ),
        bytes: share.free(),
        count: share.segments,
        stack: gapless_trace::StackId::NONE,
    };
    vec![Finding {
        code: CODE,
        title: format!("{bytes} are free in private pools"),
        bytes,
        summary: format!(
            "{bytes} of free memory belong to captured graphs or memory pools, and nothing else \
             can use them while these live."
        ),
        evidence: private.iter().map(evidence).collect(),
        advice: vec![
            "Let graphs share one pool, capture the largest shape first, drop graphs that are no \
             longer replayed. `empty_cache` helps only for pools whose owner is gone."
                .to_owned(),
        ],
    }]
}
