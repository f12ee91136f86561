//! The ledger, in numbers.

use gapless_diagnose::{Cause, FreeShare, Ledger, PoolShare};
use gapless_trace::Instant;
use gapless_units::Bytes;
use serde::Serialize;

use super::at::AtFacts;

/// Where every reserved byte is.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerFacts {
    /// When: `"failure"`, `"end"`, or the index of the event it is right after.
    pub at: AtFacts,
    /// How many events came before.
    pub instant_events: usize,
    /// All that is reserved: the sum of the causes.
    pub reserved_bytes: u64,
    /// The bytes by cause, always all five in the same order.
    pub causes: Vec<CauseFacts>,
    /// The free bytes by what keeps them from the request in question, as far as there are any.
    pub free: Vec<FreeFacts>,
    /// The bytes by pool and stream, the largest first.
    pub pools: Vec<PoolFacts>,
    /// Of the releasable bytes in no private pool, those that the program pinned: they stay until they
    /// are unpinned. Only our own allocator tells, and only of the end.
    pub pinned_free_bytes: u64,
    /// The segments.
    pub segments: usize,
    /// The segments with a pinned gap.
    pub segments_with_gaps: usize,
    /// The largest free extent.
    pub largest_gap_bytes: u64,
}

/// The bytes with one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CauseFacts {
    /// The cause: `requested`, `rounding`, `pending`, `pinned_gap` or `releasable`.
    pub cause: &'static str,
    /// The bytes.
    pub bytes: u64,
}

/// The gaps that one obstacle keeps from the request in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FreeFacts {
    /// The obstacle: `other_pool`, `other_size_pool`, `other_stream`, `too_small`, `split_limit`,
    /// or `none`.
    pub obstacle: &'static str,
    /// The bytes of these gaps.
    pub bytes: u64,
    /// How many they are.
    pub gaps: usize,
    /// The largest of them.
    pub largest_bytes: u64,
}

/// The part of the ledger that a pool has on a stream.
#[derive(Clone, Debug, Serialize)]
pub struct PoolFacts {
    /// The pool by PyTorch's pair of numbers.
    pub pool: [u64; 2],
    /// Which half of it: `small` or `large`.
    pub size_pool: &'static str,
    /// The stream.
    pub stream: u64,
    /// Its segments.
    pub segments: usize,
    /// What it has reserved: the sum of the causes.
    pub reserved_bytes: u64,
    /// The bytes by cause.
    pub causes: Vec<CauseFacts>,
}

impl LedgerFacts {
    pub(crate) fn of(ledger: &Ledger, at: AtFacts, instant: Instant) -> Self {
        let shares = ledger.free.iter().filter(|share| 0 < share.gaps);
        Self {
            at,
            instant_events: instant.events(),
            reserved_bytes: ledger.reserved().get(),
            causes: causes(ledger.causes),
            free: shares.map(FreeFacts::of).collect(),
            pools: ledger.pools.iter().map(PoolFacts::of).collect(),
            pinned_free_bytes: ledger.pinned_free.get(),
            segments: ledger.segments,
            segments_with_gaps: ledger.segments_with_gaps,
            largest_gap_bytes: ledger.largest_gap.get(),
        }
    }

    /// The bytes with one cause.
    pub fn bytes(&self, cause: Cause) -> Bytes {
        bytes_of(&self.causes, cause)
    }

    /// What is releasable, in no private pool and not pinned: what a flush gives back now.
    pub fn flushable(&self) -> Bytes {
        let shared = self.pools.iter().filter(|share| share.pool == [0, 0]);
        let shared: Bytes = shared.map(|share| share.bytes(Cause::Releasable)).sum();
        shared - Bytes::new(self.pinned_free_bytes)
    }

    /// The free bytes, pinned and releasable.
    pub fn free_bytes(&self) -> Bytes {
        self.bytes(Cause::PinnedGap) + self.bytes(Cause::Releasable)
    }
}

impl PoolFacts {
    fn of(share: &PoolShare) -> Self {
        Self {
            pool: [share.pool.0, share.pool.1],
            size_pool: share.size_pool.word(),
            stream: share.stream.0,
            segments: share.segments,
            reserved_bytes: share.reserved().get(),
            causes: causes(share.causes),
        }
    }

    /// The bytes with one cause.
    pub fn bytes(&self, cause: Cause) -> Bytes {
        bytes_of(&self.causes, cause)
    }
}

impl FreeFacts {
    fn of(share: &FreeShare) -> Self {
        Self {
            obstacle: share.obstacle.name(),
            bytes: share.bytes.get(),
            gaps: share.gaps,
            largest_bytes: share.largest.get(),
        }
    }
}

fn causes(bytes: [Bytes; 5]) -> Vec<CauseFacts> {
    let named = Cause::ALL.iter().zip(bytes);
    named.map(|(cause, bytes)| CauseFacts { cause: cause.name(), bytes: bytes.get() }).collect()
}

fn bytes_of(causes: &[CauseFacts], cause: Cause) -> Bytes {
    Bytes::new(causes.get(cause as usize).map_or(0, |share| share.bytes))
}
