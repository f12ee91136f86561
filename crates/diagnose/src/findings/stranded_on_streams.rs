//! # `stranded_on_streams`: free memory that only a side stream can use
//!
//! **What it means.** Each stream has a cache of its own. Memory that was freed on a side stream serves
//! requests of that stream only, even when the main stream runs out.
//!
//! **Why it happens.** Copies, prefetching or communication run on side streams, and the tensors they
//! make are allocated there.
//!
//! **What to do.** Allocate on the main stream and only *use* the tensor on the side stream, with
//! `tensor.record_stream(side)` or an event; or keep a few fixed buffers for the side stream.
//! `empty_cache` gives back what is whole. Settings do not help: streams never share.

use gapless_units::{Bytes, StreamId};

use super::stranded::stranded;
use super::worth::worth;
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "stranded_on_streams";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let main = main_stream(case);
    let (bytes, evidence) =
        stranded(case, |share| share.stream != main && !share.pool.is_private());
    if bytes < worth(case) {
        return Vec::new();
    }
    vec![Finding {
        code: CODE,
        title: format!("{bytes} are free on side streams"),
        bytes,
        summary: format!(
            "{bytes} of free memory belong to other streams than the main one ({main}), which \
             cannot use them."
        ),
        evidence,
        advice: vec![
            "Allocate on the main stream and use the tensor on the side stream with \
             `record_stream` or an event, or keep fixed buffers for the side stream. No setting \
             lets streams share."
                .to_owned(),
        ],
    }]
}

/// The stream with most memory of the default pool.
fn main_stream(case: &Case<'_>) -> StreamId {
    let shares = case.ledger.pools.iter().filter(|share| !share.pool.is_private());
    let mut by_stream = std::collections::BTreeMap::<StreamId, Bytes>::new();
    for share in shares {
        *by_stream.entry(share.stream).or_default() += share.reserved();
    }
    let most =
        by_stream.into_iter().max_by_key(|&(stream, bytes)| (bytes, std::cmp::Reverse(stream)));
    most.map_or(StreamId::DEFAULT, |(stream, _)| stream)
}
