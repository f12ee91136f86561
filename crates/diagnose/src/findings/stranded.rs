//! Free memory that a part of the program keeps to itself, by pool and stream.

use gapless_trace::StackId;
use gapless_units::Bytes;

use crate::case::Case;
use crate::finding::Evidence;
use crate::ledger::PoolShare;

/// What is free in the shares that `apart` picks, and each of them as evidence.
pub(super) fn stranded(
    case: &Case<'_>,
    apart: impl Fn(&PoolShare) -> bool,
) -> (Bytes, Vec<Evidence>) {
    let shares = case.ledger.pools.iter().filter(|share| apart(share) && !share.free().is_zero());
    let evidence = |share: &PoolShare| Evidence {
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
        stack: StackId::NONE,
    };
    (shares.clone().map(PoolShare::free).sum(), shares.map(evidence).collect())
}
