//! Iterations by what repeats, for programs that mark nothing.
//!
//! Every allocation is a *token*: its stack, or its size to a quarter of a power of two where the
//! recording has no stacks. A token that comes once in each iteration, such as the one of the loss,
//! is an *anchor*: it recurs at regular distances up to the end of the trace.
//!
//! ```text
//!   tokens   w w │ a b c d │ a b b c d │ a b c d │ a b
//!   anchor `a`     ├─ 4 ─────┼─ 5 ───────┼─ 4 ─────┼─
//! ```
//!
//! Layers recur as regularly as iterations do, only not across the end of an iteration, where
//! other tokens come between. So each candidate is verified: neighboring stretches must consist
//! of the same tokens, in the worst case too. Of those that hold nearly as well as the best, the
//! shortest period is taken. Sizes may vary, warming up may come first.

use gapless_trace::{Allocation, Instant, Stacks, Trace};
use gapless_units::Bytes;

use super::{FEWEST, IterationSource, before, variation};

/// The share of tokens that neighboring iterations must have in common.
const AGREEMENT: f64 = 0.8;
/// A shorter period is taken if it agrees worse than the best by no more than this.
const NEARLY: f64 = 0.1;
/// If this share of the allocations has a stack, those without are left out: backward passes have
/// none, and their sizes may vary.
const STACKED: f64 = 0.2;
/// How many times longer or shorter than the next a stretch may be.
const STRETCH: usize = 2;
/// The tokens that one candidate is verified on, from the end; a bound on time.
const VERIFIED: usize = 40_000;
/// The most candidates looked at; a bound on time.
const MOST_CANDIDATES: usize = 48;
/// Variations that differ by less count as the same.
const STEP: f64 = 0.05;
/// Sizes per power of two that count as different where there are no stacks.
const SIZES_PER_OCTAVE: f64 = 4.0;
/// A rest behind the last anchor counts as an iteration if it has this share of its tokens.
const WHOLE: f64 = 0.95;

/// The starts of the iterations that repetition tells.
pub(super) fn find(trace: &Trace, stacks: &Stacks) -> Option<(Vec<Instant>, IterationSource)> {
    let tokens = Tokens::of(trace, stacks);
    let verified: Vec<(Anchor, Agreement)> = candidates(&tokens)
        .into_iter()
        .filter_map(|anchor| tokens.agreement(&anchor).map(|agreement| (anchor, agreement)))
        .collect();
    let best = verified.iter().map(|(_, agreement)| agreement.worst).max_by(f64::total_cmp)?;
    let enough = AGREEMENT.max(best - NEARLY);
    let (anchor, agreement) =
        verified.into_iter().find(|(_, agreement)| enough <= agreement.worst)?;
    let mut starts: Vec<Instant> =
        anchor.places.iter().map(|&place| tokens.before[place]).collect();
    if tokens.rest_is_whole(&anchor) {
        starts.push(trace.end());
    }
    let source = IterationSource::Repetition { agreement: agreement.mean };
    (FEWEST < starts.len()).then_some((starts, source))
}

/// The allocations of a trace as tokens.
struct Tokens {
    /// Small numbers, equal for allocations that are taken to be alike.
    sequence: Vec<usize>,
    /// The instant before each.
    before: Vec<Instant>,
    /// One more than the largest token.
    kinds: usize,
}

/// Where a token recurs.
struct Anchor {
    places: Vec<usize>,
    variation: f64,
}

/// How well neighboring stretches agree.
#[derive(Clone, Copy)]
struct Agreement {
    worst: f64,
    mean: f64,
}

impl Tokens {
    fn of(trace: &Trace, stacks: &Stacks) -> Self {
        let oldest = trace.allocations.partition_point(|a| a.born == Instant::START);
        let born = &trace.allocations[oldest..];
        let stacked = born.iter().filter(|allocation| allocation.stack.is_some()).count();
        let by_stack = 0 < stacked && STACKED * born.len() as f64 <= stacked as f64;
        let chosen = born.iter().filter(|a| !by_stack || a.stack.is_some());
        let token_of = |a: &Allocation| if by_stack { a.stack.index() } else { size_class(a) };
        let sequence: Vec<usize> = chosen.clone().map(token_of).collect();
        let before = chosen.map(|a| before(a.born.event().unwrap_or(0))).collect();
        let kinds = if by_stack { stacks.ids().len() } else { size_class_count() };
        Self { sequence, before, kinds }
    }

    /// The places of each token, ascending.
    fn places(&self) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.kinds];
        for (place, &token) in self.sequence.iter().enumerate() {
            places[token].push(place);
        }
        places
    }

    /// How well the last stretches between the places of an anchor agree with each other.
    fn agreement(&self, anchor: &Anchor) -> Option<Agreement> {
        let last = *anchor.places.last()?;
        let recent = anchor.places.windows(2).rev();
        let recent: Vec<&[usize]> =
            recent.take_while(|pair| last - pair[0] <= VERIFIED || last == pair[1]).collect();
        let mut counts = vec![0_i64; self.kinds];
        let mut shares = Vec::with_capacity(recent.len());
        for (later, earlier) in recent.iter().zip(recent.iter().skip(1)) {
            shares.push(self.common(&mut counts, later, earlier));
        }
        let worst = shares.iter().copied().min_by(f64::total_cmp)?;
        Some(Agreement { worst, mean: shares.iter().sum::<f64>() / shares.len() as f64 })
    }

    /// The share of tokens that two stretches have in common; `counts` is zero before and after.
    fn common(&self, counts: &mut [i64], one: &[usize], other: &[usize]) -> f64 {
        let (one, other) = (&self.sequence[one[0]..one[1]], &self.sequence[other[0]..other[1]]);
        for &token in one {
            counts[token] += 1;
        }
        let mut common = 0_usize;
        for &token in other {
            common += usize::from(0 < counts[token]);
            counts[token] -= 1;
        }
        for &token in one.iter().chain(other) {
            counts[token] = 0;
        }
        common as f64 / one.len().max(other.len()).max(1) as f64
    }

    fn rest_is_whole(&self, anchor: &Anchor) -> bool {
        let Some(&last) = anchor.places.last() else { return false };
        let shortest = anchor.places.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(0);
        WHOLE * shortest as f64 <= (self.sequence.len() - last) as f64
    }
}

/// The most regular anchor of each number of recurrences, the shortest period first.
fn candidates(tokens: &Tokens) -> Vec<Anchor> {
    let mut anchors: Vec<Anchor> = tokens
        .places()
        .into_iter()
        .filter_map(|places| anchor(places, tokens.sequence.len()))
        .collect();
    anchors.sort_by(|one, other| {
        let steps = |anchor: &Anchor| (anchor.variation / STEP).round();
        let shorter = other.places.len().cmp(&one.places.len());
        shorter.then(steps(one).total_cmp(&steps(other))).then(one.places[0].cmp(&other.places[0]))
    });
    anchors.dedup_by_key(|anchor| anchor.places.len());
    let surplus = anchors.len().saturating_sub(MOST_CANDIDATES);
    anchors.drain(..surplus);
    anchors
}

/// The longest run of regular places that reaches the end and covers the later half of the trace.
fn anchor(mut places: Vec<usize>, length: usize) -> Option<Anchor> {
    let regular =
        places.windows(2).zip(places.windows(2).skip(1)).rev().take_while(|(one, other)| {
            let (one, other) = (one[1] - one[0], other[1] - other[0]);
            one <= STRETCH * other && other <= STRETCH * one
        });
    let kept = regular.count() + 2;
    if kept <= FEWEST || places.len() < kept {
        return None;
    }
    places.drain(..places.len() - kept);
    let (first, last) = (places[0], places[places.len() - 1]);
    let period = (last - first).div_ceil(places.len() - 1);
    let covers = first <= length / 2 && length - last <= STRETCH * period && 1 < period;
    let variation = variation(places.iter().copied());
    covers.then_some(Anchor { places, variation })
}

/// The class of an allocation's size: quarters of powers of two.
fn size_class(allocation: &Allocation) -> usize {
    class_of(allocation.requested)
}

/// One more than the largest class of a size.
fn size_class_count() -> usize {
    class_of(Bytes::new(u64::MAX)) + 1
}

fn class_of(size: Bytes) -> usize {
    let octaves = (size.get().max(1) as f64).log2();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the logarithm of 1 to 2^64 lies between 0 and 64"
    )]
    let class = (octaves * SIZES_PER_OCTAVE) as usize;
    class
}
