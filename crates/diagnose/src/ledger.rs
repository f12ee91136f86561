//! The ledger: every reserved byte has exactly one cause.
//!
//! ```text
//!   segment  │ A: held      │ gap     │ B: pending │ gap      │
//!            │ request │ rnd │ pinned  │ pending    │ pinned   │
//! ```
//!
//! | cause | bytes |
//! | --- | --- |
//! | requested | asked for and held by the program |
//! | rounding | of held blocks, beyond what was asked |
//! | pending | let go by the program, still waiting for another stream |
//! | pinned gap | free, and cannot go back to the device because of a live block |
//! | releasable | free, and goes back to the device when the cache is flushed, unless a private pool or a pin keeps it |
//!
//! A gap goes back as a whole segment, or, in an expandable segment, by its whole pages; what is
//! left of it at both sides is pinned. A private pool gives its gaps back only when it is over, which
//! no snapshot tells; pages that the program pinned stay until they are unpinned. [`Ledger::flushable`]
//! counts neither.

use gapless_trace::{Gap, Segment, SizePool, State, Trace};
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use crate::request::Request;

/// What a reserved byte is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Asked for and held by the program.
    Requested,
    /// Of a held block, beyond what was asked.
    Rounding,
    /// Let go by the program, still waiting for another stream.
    Pending,
    /// Free beside a live block.
    PinnedGap,
    /// Free and ready to go back to the device.
    Releasable,
}

impl Cause {
    /// All causes in the order of the ledger.
    pub const ALL: [Self; 5] =
        [Self::Requested, Self::Rounding, Self::Pending, Self::PinnedGap, Self::Releasable];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Rounding => "rounding",
            Self::Pending => "pending",
            Self::PinnedGap => "pinned_gap",
            Self::Releasable => "releasable",
        }
    }
}

/// What keeps a gap from the request in question. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It belongs to a private pool the request was not routed to, or the other way round.
    OtherPool,
    /// It belongs to the half of the pool for other sizes.
    OtherSizePool,
    /// It belongs to another stream.
    OtherStream,
    /// It is smaller than the block needed.
    TooSmall,
    /// It is large enough, and the split limit keeps it from the request.
    SplitLimit,
    /// Nothing: it would serve the request.
    None,
}

impl Obstacle {
    /// All obstacles in the order they are looked for.
    pub const ALL: [Self; 6] = [
        Self::OtherPool,
        Self::OtherSizePool,
        Self::OtherStream,
        Self::TooSmall,
        Self::SplitLimit,
        Self::None,
    ];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherPool => "other_pool",
            Self::OtherSizePool => "other_size_pool",
            Self::OtherStream => "other_stream",
            Self::TooSmall => "too_small",
            Self::SplitLimit => "split_limit",
            Self::None => "none",
        }
    }

    /// What keeps `gap` of `segment` from `request`.
    pub fn between(trace: &Trace, request: &Request, segment: &Segment, gap: Gap) -> Self {
        let available = gap.extent.size();
        if segment.pool != request.pool {
            Self::OtherPool
        } else if segment.size_pool != request.size_pool {
            Self::OtherSizePool
        } else if segment.stream != request.stream {
            Self::OtherStream
        } else if available < request.rounded {
            Self::TooSmall
        } else if !trace.rules.may_serve(request.rounded, available) {
            Self::SplitLimit
        } else {
            Self::None
        }
    }
}

/// The gaps that one obstacle keeps from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeShare {
    /// The obstacle.
    pub obstacle: Obstacle,
    /// The bytes of these gaps.
    pub bytes: Bytes,
    /// How many they are.
    pub gaps: usize,
    /// The largest of them.
    pub largest: Bytes,
}

/// The part of the ledger that one pool, size pool and stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShare {
    /// The pool.
    pub pool: PoolId,
    /// Which half of it.
    pub size_pool: SizePool,
    /// The stream.
    pub stream: StreamId,
    /// Its segments.
    pub segments: usize,
    /// The bytes by cause, as [`Ledger::causes`].
    pub causes: [Bytes; 5],
}

impl PoolShare {
    /// All of its bytes.
    pub fn reserved(&self) -> Bytes {
        self.causes.iter().copied().sum()
    }

    /// Its free bytes, pinned and releasable.
    pub fn free(&self) -> Bytes {
        self.causes[Cause::PinnedGap as usize] + self.causes[Cause::Releasable as usize]
    }
}

/// Where every reserved byte of a device is, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The bytes by cause, in the order of [`Cause::ALL`]; they add up to all that is reserved.
    pub causes: [Bytes; 5],
    /// The same by pool, size pool and stream, the largest first.
    pub pools: Vec<PoolShare>,
    /// Of what is releasable and in no private pool, what the program pinned: it stays until it is
    /// unpinned.
    pub pinned_free: Bytes,
    /// The segments.
    pub segments: usize,
    /// The segments with a pinned gap.
    pub segments_with_gaps: usize,
    /// The largest free extent.
    pub largest_gap: Bytes,
    /// The free bytes by what keeps them from the request in question, in the order of
    /// [`Obstacle::ALL`]; empty where no request is in question.
    pub free: Vec<FreeShare>,
}

impl Ledger {
    /// Takes stock of `state`.
    pub fn of(trace: &Trace, state: &State, request: Option<&Request>) -> Self {
        let mut ledger = Self {
            causes: [Bytes::ZERO; 5],
            pools: Vec::new(),
            pinned_free: pinned_free(state),
            segments: state.segments.len(),
            segments_with_gaps: 0,
            largest_gap: Bytes::ZERO,
            free: Vec::new(),
        };
        if request.is_some() {
            ledger.free = Obstacle::ALL.map(nothing_behind).to_vec();
        }
        for segment in &state.segments {
            let causes = causes_of(segment);
            for (sum, bytes) in ledger.causes.iter_mut().zip(causes) {
                *sum += bytes;
            }
            ledger.segments_with_gaps += usize::from(!causes[Cause::PinnedGap as usize].is_zero());
            ledger.add_to_pool(segment, causes);
            for gap in segment.gaps() {
                ledger.largest_gap = ledger.largest_gap.max(gap.extent.size());
                if let Some(request) = request {
                    ledger.add_free(Obstacle::between(trace, request, segment, gap), gap);
                }
            }
        }
        ledger.pools.sort_by_key(|share| {
            (std::cmp::Reverse(share.reserved()), share.pool, share.size_pool, share.stream)
        });
        ledger
    }

    fn add_to_pool(&mut self, segment: &Segment, causes: [Bytes; 5]) {
        let (pool, size_pool, stream) = (segment.pool, segment.size_pool, segment.stream);
        let found = self
            .pools
            .iter_mut()
            .find(|share| (share.pool, share.size_pool, share.stream) == (pool, size_pool, stream));
        if let Some(share) = found {
            share.segments += 1;
            for (sum, bytes) in share.causes.iter_mut().zip(causes) {
                *sum += bytes;
            }
        } else {
            self.pools.push(PoolShare { pool, size_pool, stream, segments: 1, causes });
        }
    }

    fn add_free(&mut self, obstacle: Obstacle, gap: Gap) {
        let share = &mut self.free[obstacle as usize];
        share.bytes += gap.extent.size();
        share.gaps += 1;
        share.largest = share.largest.max(gap.extent.size());
    }

    /// The bytes with one cause.
    pub fn bytes(&self, cause: Cause) -> Bytes {
        self.causes[cause as usize]
    }

    /// What is releasable, in no private pool and not pinned: what a flush gives back now.
    pub fn flushable(&self) -> Bytes {
        let shared = self.pools.iter().filter(|share| !share.pool.is_private());
        let shared: Bytes = shared.map(|share| share.causes[Cause::Releasable as usize]).sum();
        shared - self.pinned_free
    }

    /// All that is reserved.
    pub fn reserved(&self) -> Bytes {
        self.causes.iter().copied().sum()
    }

    /// All that is free, pinned or releasable.
    pub fn free_bytes(&self) -> Bytes {
        self.bytes(Cause::PinnedGap) + self.bytes(Cause::Releasable)
    }

    /// All that is not free: held by the program or pending.
    pub fn active(&self) -> Bytes {
        self.reserved() - self.free_bytes()
    }

    /// The gaps that `obstacle` keeps from the request in question.
    pub fn behind(&self, obstacle: Obstacle) -> FreeShare {
        self.free.get(obstacle as usize).copied().unwrap_or_else(|| nothing_behind(obstacle))
    }
}

fn nothing_behind(obstacle: Obstacle) -> FreeShare {
    FreeShare { obstacle, bytes: Bytes::ZERO, gaps: 0, largest: Bytes::ZERO }
}

/// The pinned pages among what is releasable and in no private pool.
fn pinned_free(state: &State) -> Bytes {
    if state.pinned.is_empty() {
        return Bytes::ZERO;
    }
    let shared = state.segments.iter().filter(|segment| !segment.pool.is_private());
    let releasable = shared.flat_map(|it| it.gaps().map(|gap| it.releasable(gap)));
    let pinned_in = |extent: Extent| {
        let first = state.pinned.partition_point(|pinned| pinned.end() <= extent.start());
        let inside = state.pinned[first..].iter().take_while(|it| it.start() < extent.end());
        let parts = inside.map(|pinned| {
            let start = pinned.start().max(extent.start());
            Extent::between(start, pinned.end().min(extent.end())).size()
        });
        parts.sum::<Bytes>()
    };
    releasable.map(pinned_in).sum()
}

/// The bytes of a segment by cause.
fn causes_of(segment: &Segment) -> [Bytes; 5] {
    let mut causes = [Bytes::ZERO; 5];
    for block in &segment.blocks {
        if block.pending {
            causes[Cause::Pending as usize] += block.extent.size();
        } else {
            let requested = block.requested.min(block.extent.size());
            causes[Cause::Requested as usize] += requested;
            causes[Cause::Rounding as usize] += block.extent.size() - requested;
        }
    }
    for gap in segment.gaps() {
        let releasable = segment.releasable(gap).size();
        causes[Cause::Releasable as usize] += releasable;
        causes[Cause::PinnedGap as usize] += gap.extent.size() - releasable;
    }
    causes
}
