//! # `varying_sizes`: sizes that change at one line
//!
//! **What it means.** One line of the program asks for many different large sizes. A block of one size
//! seldom serves the next, so new segments are opened while old ones lie cut up or unused.
//!
//! **Why it happens.** Batches padded to their longest sample, images of mixed sizes, key-value caches
//! that grow, experts that get a different number of tokens each time.
//!
//! **What to do.** Pad to a few sizes, *buckets*: the advice names those that cost least for the
//! heaviest line, and what the padding costs. Fixed batch shapes do the same. Where the program cannot
//! change, `roundup_power2_divisions:8` rounds every request up, and `expandable_segments:True` needs
//! no new segments for new sizes. `empty_cache` in the loop only moves the problem: the gaps beside
//! live blocks stay.

mod buckets;

use std::collections::{BTreeMap, BTreeSet};

use gapless_trace::{Instant, StackId};
use gapless_units::{Bytes, Extent};

use super::worth::{counted, try_expandable, worth};
use crate::case::Case;
use crate::finding::{Evidence, Finding};
use crate::request::Request;
use crate::site::SiteId;
use buckets::Buckets;

pub(super) const CODE: &str = "varying_sizes";

/// Smaller requests come from the small pool, where sizes do little harm.
const LARGE: Bytes = Bytes::mib(1);
/// Fewer sizes are no pattern.
const FEWEST_SIZES: usize = 4;
/// Fewer requests are none either.
const FEWEST_REQUESTS: usize = 16;
/// Sizes vary if the largest is at least this much larger than the smallest, in percent.
const SPREAD_PERCENT: u64 = 20;
/// Where there are no iterations, sizes are compared between this many parts of the recording.
const PARTS: usize = 8;
/// How many lines are shown.
const MOST_EVIDENCE: usize = 8;

/// The large requests of one line.
struct Line {
    stack: StackId,
    /// How often each size was asked for.
    sizes: BTreeMap<Bytes, u64>,
    /// The parts of the recording in which a size was asked for that had not been before.
    news: BTreeSet<usize>,
}

impl Line {
    fn requests(&self) -> u64 {
        self.sizes.values().sum()
    }

    fn total(&self) -> u128 {
        self.sizes.iter().map(|(size, &count)| u128::from(size.get()) * u128::from(count)).sum()
    }

    fn smallest_and_largest(&self) -> Option<(Bytes, Bytes)> {
        Some((*self.sizes.first_key_value()?.0, *self.sizes.last_key_value()?.0))
    }

    /// Whether sizes change over time: different layers ask for different sizes at one line too,
    /// but for the same ones in every iteration.
    fn varies(&self, parts: usize) -> bool {
        let later = self.news.iter().filter(|&&part| 0 < part).count();
        let keep_coming = parts.saturating_sub(1) <= later.saturating_mul(2) && 0 < later;
        let enough = keep_coming
            && FEWEST_SIZES <= self.sizes.len()
            && FEWEST_REQUESTS as u64 <= self.requests();
        enough
            && self.smallest_and_largest().is_some_and(|(least, most)| {
                least.get().saturating_mul(100 + SPREAD_PERCENT) <= most.get().saturating_mul(100)
            })
    }
}

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let lines = varying_lines(case);
    let Some(heaviest) = lines.first() else { return Vec::new() };
    let (free, segments) = free_in_their_segments(case, &lines);
    let bytes = free.min(never_used(case));
    if bytes < worth(case) {
        return Vec::new();
    }
    let Some((least, most)) = heaviest.smallest_and_largest() else { return Vec::new() };
    let sizes: usize = lines.iter().map(|line| line.sizes.len()).sum();
    let evidence = |line: &Line| Evidence {
        what: describe(line),
        bytes: line.smallest_and_largest().map_or(Bytes::ZERO, |(_, most)| most),
        count: line.sizes.len(),
        stack: line.stack,
    };
    vec![Finding {
        code: CODE,
        title: format!("sizes vary at {}", counted(lines.len(), "line")),
        bytes,
        summary: format!(
            "{} asked for {sizes} different large sizes, new ones all the time; the heaviest for {} \
             between {least} and {most}. In {} where their blocks were placed, \
             {free} are free{}.",
            counted(lines.len(), "line"),
            heaviest.sizes.len(),
            counted(segments, "segment"),
            if bytes < free {
                format!(" now, and {bytes} were when most was in use")
            } else {
                String::new()
            },
        ),
        evidence: lines.iter().take(MOST_EVIDENCE).map(evidence).collect(),
        advice: advice(case, heaviest),
    }]
}

/// The lines whose sizes vary, the one that asked for most bytes first.
fn varying_lines(case: &Case<'_>) -> Vec<Line> {
    let bounds = bounds(case);
    let mut lines: BTreeMap<SiteId, Line> = BTreeMap::new();
    let recorded = case.trace.allocations.iter().filter(|a| Instant::START < a.born);
    for allocation in recorded.filter(|a| LARGE < a.requested && a.stack.is_some()) {
        let new = Line { stack: allocation.stack, sizes: BTreeMap::new(), news: BTreeSet::new() };
        let line = lines.entry(case.sites.site(allocation.stack)).or_insert(new);
        let count = line.sizes.entry(case.trace.rules.round(allocation.requested)).or_default();
        if *count == 0 {
            line.news.insert(bounds.partition_point(|&bound| bound <= allocation.born.events()));
        }
        *count += 1;
    }
    let parts = bounds.len() + 1;
    let mut lines: Vec<Line> = lines.into_values().filter(|line| line.varies(parts)).collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.total()), line.stack));
    lines
}

/// Where one part of the recording ends and the next begins, in events.
fn bounds(case: &Case<'_>) -> Vec<usize> {
    let events = case.trace.events.len();
    let by_iteration = case.iterations.map(|found| {
        let inner = found.starts.iter().map(|start| start.events());
        inner.filter(|&start| 0 < start && start < events).collect()
    });
    by_iteration.unwrap_or_else(|| (1..PARTS).map(|part| events * part / PARTS).collect())
}

/// What lies unused even when most is in use: at a failure all that is free, else what the peaks
/// of reserved and active bytes leave between them.
fn never_used(case: &Case<'_>) -> Bytes {
    let failed = case.request.and_then(Request::device_free).is_some();
    let peak = case.trace.peak_totals();
    if failed { case.ledger.free_bytes() } else { peak.reserved.saturating_sub(peak.active) }
}

/// The free bytes of the segments in which blocks of these lines were born, and how many of these
/// segments there are.
fn free_in_their_segments(case: &Case<'_>, lines: &[Line]) -> (Bytes, usize) {
    let sites: BTreeSet<SiteId> = lines.iter().map(|line| case.sites.site(line.stack)).collect();
    let mut placed: Vec<u64> = case
        .trace
        .allocations
        .iter()
        .filter(|a| LARGE < a.requested && sites.contains(&case.sites.site(a.stack)))
        .map(|allocation| allocation.addr.get())
        .collect();
    placed.sort_unstable();
    let theirs = |extent: Extent| {
        let first = placed.partition_point(|&addr| addr < extent.start().get());
        placed.get(first).is_some_and(|&addr| addr < extent.end().get())
    };
    let segments = case.state.segments.iter().filter(|segment| theirs(segment.extent));
    segments.fold((Bytes::ZERO, 0), |(bytes, count), segment| {
        let free: Bytes = segment.gaps().map(|gap| gap.extent.size()).sum();
        (bytes + free, count + 1)
    })
}

fn describe(line: &Line) -> String {
    match line.smallest_and_largest() {
        Some((least, most)) => format!(
            "{} sizes from {least} to {most} in {} requests",
            line.sizes.len(),
            line.requests()
        ),
        None => String::new(),
    }
}

fn advice(case: &Case<'_>, heaviest: &Line) -> Vec<String> {
    let mut advice = Vec::new();
    let buckets = Buckets::cheapest(&heaviest.sizes);
    if let Some(buckets) = buckets {
        let tops: Vec<String> = buckets.tops.iter().map(ToString::to_string).collect();
        advice.push(format!(
            "Pad the heaviest line to {} sizes instead of {}: {}. The padding costs {:.1} % of \
             what it asks for.",
            buckets.tops.len(),
            heaviest.sizes.len(),
            tops.join(", "),
            100.0 * buckets.cost
        ));
    }
    let by_setting = if case.is_ours() {
        ""
    } else {
        " Without changing the program, `roundup_power2_divisions:8` rounds every request up by at \
         most 12.5 %."
    };
    advice.push(format!("Fixed batch shapes have the same effect.{by_setting}"));
    advice.extend(try_expandable(case, "growing segments need no new ones for new sizes."));
    advice.push(format!(
        "{} in the loop does not help: the gaps beside live blocks stay, and what it gives back is \
         asked for again.",
        case.flush_in_short()
    ));
    advice
}
