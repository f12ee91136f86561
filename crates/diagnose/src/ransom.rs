//! The ransom: the cheapest live blocks whose release would serve the request in question.
//!
//! Two ways are looked at, and the cheaper one is taken:
//!
//! ```text
//!   one gap         │ gap │ A │ gap │ B │ gap │      neighbors in a segment the request may use
//!                   └─────── A + B ───────────┘      become one gap that is large enough
//!
//!   whole segments  │ gap │ A │ gap │  │ B │ gap │   segments without a live block go back to the
//!                   └── A ────────┘  └─── B ────┘    device, which then has enough to grant it
//! ```
//!
//! The first is the cheapest of all runs of neighboring blocks. The second is a covering
//! knapsack, solved exactly over units of 2 MiB, the unit of segment sizes; where that would take
//! too many steps the units are doubled, and the answer may then cost more than the cheapest.

use gapless_trace::{AllocationId, Block, Segment, State, Trace};
use gapless_units::{Bytes, Extent};

use crate::ledger::{Ledger, Obstacle};
use crate::request::{Origin, Request};

/// The unit that segment sizes are multiples of.
const UNIT: Bytes = Bytes::mib(2);
/// How many steps the choice of segments may take: some tens of milliseconds.
const MOST_STEPS: usize = 16_000_000;

/// How releasing the blocks serves the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RansomKind {
    /// The blocks and the gaps between them become one gap that serves it.
    OneGap,
    /// Whole segments become free and go back to the device, which then grants the request.
    WholeSegments,
}

impl RansomKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneGap => "one_gap",
            Self::WholeSegments => "whole_segments",
        }
    }
}

/// A set of live blocks whose release would serve the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ransom {
    /// How.
    pub kind: RansomKind,
    /// The blocks in the order of addresses.
    pub blocks: Vec<AllocationId>,
    /// Their size together: the price.
    pub price: Bytes,
    /// The free memory the request then has: the gap, or the device's free bytes.
    pub gains: Bytes,
}

impl Ransom {
    /// The cheapest ransom for `request`, or none where the request needs none or no release of
    /// blocks is known to serve it.
    pub fn cheapest(
        trace: &Trace,
        state: &State,
        ledger: &Ledger,
        request: &Request,
    ) -> Option<Self> {
        let served = 0 < ledger.behind(Obstacle::None).gaps || flush_serves(ledger, request);
        if served || is_held(trace, state, request) {
            return None;
        }
        let gap = one_gap(trace, state, request);
        let device = whole_segments(state, ledger, request);
        gap.into_iter().chain(device).min_by_key(|ransom| ransom.price)
    }
}

/// Whether the program still holds what it got for the request, so that it needs no second one.
fn is_held(trace: &Trace, state: &State, request: &Request) -> bool {
    match request.origin {
        Origin::Failed { .. } => false,
        Origin::LargestAlive => true,
        Origin::LargestRecent { event } => trace
            .subject(event)
            .is_some_and(|allocation| trace.allocation(allocation).is_active(state.instant)),
    }
}

/// Whether the device has enough once the cache is flushed, and had too little before.
fn flush_serves(ledger: &Ledger, request: &Request) -> bool {
    request
        .device_free()
        .is_some_and(|free| free < request.segment && request.segment <= free + ledger.flushable())
}

/// What releasing a block costs: one the program has already let go of costs only patience.
fn price(block: &Block) -> Bytes {
    if block.pending { Bytes::ZERO } else { block.extent.size() }
}

/// The allocations of the blocks the program still holds.
fn held(blocks: &[Block]) -> Vec<AllocationId> {
    blocks.iter().filter(|block| !block.pending).map(|block| block.allocation).collect()
}

/// The cheapest run of neighbors that becomes one gap for the request.
fn one_gap(trace: &Trace, state: &State, request: &Request) -> Option<Ransom> {
    let usable = state.segments.iter().filter(|segment| {
        (segment.pool, segment.size_pool, segment.stream)
            == (request.pool, request.size_pool, request.stream)
    });
    let runs = usable.flat_map(|segment| {
        shortest_runs(segment, request.rounded)
            .into_iter()
            .filter(|run| trace.rules.may_serve(request.rounded, run.gap.size()))
            .map(move |run| (segment, run))
    });
    let (segment, run) = runs.min_by_key(|(_, run)| (run.price, run.gap.start()))?;
    let blocks = held(&segment.blocks[run.first..=run.last]);
    Some(Ransom { kind: RansomKind::OneGap, blocks, price: run.price, gains: run.gap.size() })
}

/// Neighboring blocks and the gap their release leaves.
struct Run {
    first: usize,
    last: usize,
    price: Bytes,
    gap: Extent,
}

/// For each last block the shortest run of blocks that leaves a gap of `size`.
fn shortest_runs(segment: &Segment, size: Bytes) -> Vec<Run> {
    let blocks = &segment.blocks;
    let start = |first: usize| match first.checked_sub(1) {
        Some(before) => blocks[before].extent.end(),
        None => segment.extent.start(),
    };
    let end = |last: usize| match blocks.get(last + 1) {
        Some(after) => after.extent.start(),
        None => segment.extent.end(),
    };
    let mut runs = Vec::new();
    let (mut first, mut cost) = (0, Bytes::ZERO);
    for last in 0..blocks.len() {
        cost += price(&blocks[last]);
        while first < last && size <= Extent::between(start(first + 1), end(last)).size() {
            cost -= price(&blocks[first]);
            first += 1;
        }
        let gap = Extent::between(start(first), end(last));
        if size <= gap.size() {
            runs.push(Run { first, last, price: cost, gap });
        }
    }
    runs
}

/// The cheapest segments to empty so that the device has enough; known only where the recording
/// says what the device had, that is, where the request failed.
fn whole_segments(state: &State, ledger: &Ledger, request: &Request) -> Option<Ransom> {
    let free = request.device_free()? + ledger.flushable();
    let needed = request.segment.saturating_sub(free);
    if needed.is_zero() {
        return None;
    }
    let mut segments: Vec<(&Segment, Bytes)> = state
        .segments
        .iter()
        .filter(|s| s.page.is_none() && !s.pool.is_private() && !s.blocks.is_empty())
        .map(|segment| (segment, segment.blocks.iter().map(price).sum()))
        .collect();
    segments.sort_by_key(|(segment, _)| segment.extent.start());
    let offers: Vec<Offer> = segments
        .iter()
        .map(|(segment, price)| Offer { gain: segment.extent.size(), price: *price })
        .collect();
    let chosen = cheapest_cover(&offers, needed)?;
    let blocks = chosen.iter().flat_map(|&index| held(&segments[index].0.blocks)).collect();
    let price = chosen.iter().map(|&index| offers[index].price).sum();
    let gains = free + chosen.iter().map(|&index| offers[index].gain).sum();
    Some(Ransom { kind: RansomKind::WholeSegments, blocks, price, gains })
}

/// Something that can be had for a price.
#[derive(Clone, Copy, Debug)]
struct Offer {
    gain: Bytes,
    price: Bytes,
}

/// The positions of the cheapest offers whose gains reach `needed`, ascending.
fn cheapest_cover(offers: &[Offer], needed: Bytes) -> Option<Vec<usize>> {
    let all: Bytes = offers.iter().map(|offer| offer.gain).sum();
    if all < needed {
        return None;
    }
    let mut unit = UNIT.get();
    let units = |bytes: Bytes, unit: u64| usize::try_from(bytes.get() / unit).unwrap_or(usize::MAX);
    while MOST_STEPS / offers.len().max(1) < units(needed, unit) {
        unit *= 2;
    }
    let wanted = usize::try_from(needed.get().div_ceil(unit)).ok()?;
    let gains: Vec<usize> = offers.iter().map(|offer| units(offer.gain, unit)).collect();

    // cheapest[u] is the least price for u units; taken[i][u] is whether offer i is part of it
    // when only the offers up to i are looked at.
    let mut cheapest: Vec<Option<Bytes>> = vec![None; wanted + 1];
    cheapest[0] = Some(Bytes::ZERO);
    let mut taken = vec![vec![false; wanted + 1]; offers.len()];
    for (index, offer) in offers.iter().enumerate() {
        for have in (1..=wanted).rev() {
            let before = have.saturating_sub(gains[index]);
            let Some(so_far) = cheapest[before].filter(|_| before < have) else { continue };
            let price = so_far + offer.price;
            if cheapest[have].is_none_or(|best| price < best) {
                cheapest[have] = Some(price);
                taken[index][have] = true;
            }
        }
    }
    cheapest[wanted]?;
    let mut chosen = Vec::new();
    let mut have = wanted;
    for index in (0..offers.len()).rev() {
        if taken[index][have] {
            chosen.push(index);
            have = have.saturating_sub(gains[index]);
        }
    }
    chosen.reverse();
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_cover(offers: &[(u64, u64)], needed: u64, expected: Option<&[usize]>) {
        let offers: Vec<Offer> = offers
            .iter()
            .map(|&(gain, price)| Offer { gain: Bytes::mib(gain), price: Bytes::new(price) })
            .collect();
        assert_eq!(cheapest_cover(&offers, Bytes::mib(needed)).as_deref(), expected);
    }

    #[test]
    fn the_cover_is_the_cheapest_not_the_first() {
        check_cover(&[(20, 9), (20, 4), (40, 7)], 40, Some(&[2]));
        check_cover(&[(20, 3), (20, 3), (40, 7)], 40, Some(&[0, 1]));
        check_cover(&[(20, 3), (20, 3), (40, 7)], 39, Some(&[0, 1]));
    }

    #[test]
    fn there_is_no_cover_where_all_is_too_little() {
        check_cover(&[(20, 3), (20, 3)], 41, None);
    }

    #[test]
    fn the_cover_equals_the_best_of_all_subsets() {
        let offers = [(2, 5), (4, 1), (6, 9), (8, 3), (2, 2), (10, 8), (4, 4)];
        for needed in 1..=36 {
            let price = |subset: u32| -> (u64, u64) {
                let members = offers.iter().enumerate().filter(|(i, _)| subset & (1 << i) != 0);
                members.fold((0, 0), |(gain, price), (_, offer)| (gain + offer.0, price + offer.1))
            };
            let best = (0..1_u32 << offers.len())
                .map(price)
                .filter(|&(gain, _)| needed <= gain)
                .map(|(_, price)| price)
                .min();
            let all: Vec<Offer> = offers
                .iter()
                .map(|&(gain, price)| Offer { gain: Bytes::mib(gain), price: Bytes::new(price) })
                .collect();
            let chosen = cheapest_cover(&all, Bytes::mib(needed)).unwrap();
            assert_eq!(Some(chosen.iter().map(|&i| offers[i].1).sum::<u64>()), best, "{needed}");
        }
    }
}
