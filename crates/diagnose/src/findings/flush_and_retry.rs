//! # `flush_and_retry`: the cache is flushed to make room
//!
//! **What it means.** A request found neither a free block nor room on the card, so the allocator gave
//! cached segments back and asked again. Each time the device stops and every segment given back is
//! asked for anew soon after.
//!
//! **Why it happens.** The program runs at the edge of the card, and free memory lies in segments of
//! the wrong sizes. With `garbage_collection_threshold` the allocator does it early and in part. A
//! program may also call `empty_cache` itself. In recordings of gapless' own allocator it is not looked
//! for: pages that move there look alike, and stop nothing.
//!
//! **What to do.** Make sizes repeat (`varying_sizes`), leave more room, or try
//! `expandable_segments:True`. Calls of `empty_cache` in a loop cost the same stops and seldom help:
//! keep one after the warm-up at most.

use gapless_trace::{Action, Instant, Trace};
use gapless_units::Bytes;

use super::worth::{try_expandable, worth};
use crate::case::Case;
use crate::finding::{Evidence, Finding};

pub(super) const CODE: &str = "flush_and_retry";

/// Why segments went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// A request needed the room and then succeeded.
    Retry,
    /// A request needed the room and failed all the same.
    Failure,
    /// A request needed the room, and only part of the cache went back: collection, or a single
    /// large block under `max_split_size_mb`.
    Part,
    /// The program asked for it, or a pool ended.
    Asked,
}

/// Segments that went back one after the other.
struct Burst {
    reason: Reason,
    bytes: Bytes,
    calls: usize,
    /// The event behind the burst.
    next: usize,
}

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    if case.is_ours() {
        // Pages of ours that leave a place serve another; the device goes on meanwhile.
        return Vec::new();
    }
    let bursts = bursts(case.trace, case.state.instant);
    let sum = |reason| Sum::of(&bursts, reason);
    let (retries, failures) = (sum(Reason::Retry), sum(Reason::Failure));
    let (parts, wished) = (sum(Reason::Part), sum(Reason::Asked));
    let bytes = retries.bytes + failures.bytes + parts.bytes;
    if bytes < worth(case) {
        return Vec::new();
    }
    let mut sentences =
        vec![format!("{} calls stopped the device.", retries.calls + failures.calls + parts.calls)];
    for (sum, what) in [
        (&retries, "the whole cache went back before a request was served"),
        (&failures, "it went back and the request failed all the same"),
        (&parts, "a part of it went back (collection, or one block past the split limit)"),
        (&wished, "the program itself flushed it"),
    ] {
        if 0 < sum.bursts {
            sentences.push(format!("{} {what}: {}.", capital(&times(sum.bursts)), sum.bytes));
        }
    }
    vec![Finding {
        code: CODE,
        title: format!(
            "the cache went back {} to make room",
            times(retries.bursts + failures.bursts + parts.bursts)
        ),
        bytes,
        summary: sentences.join(" "),
        evidence: evidence(case, &bursts),
        advice: advice(case),
    }]
}

fn advice(case: &Case<'_>) -> Vec<String> {
    let room = "Leave more room, or make sizes repeat.".to_owned();
    let expand = try_expandable(case, "free memory then fits any size.");
    let flush = "Calling `empty_cache` yourself costs the same stops and does not prevent these.";
    [Some(room), expand, Some(flush.to_owned())].into_iter().flatten().collect()
}

/// What the bursts of one reason add up to.
struct Sum {
    bursts: usize,
    calls: usize,
    bytes: Bytes,
}

impl Sum {
    fn of(bursts: &[Burst], reason: Reason) -> Self {
        let those = bursts.iter().filter(|burst| burst.reason == reason);
        Self {
            bursts: those.clone().count(),
            calls: those.clone().map(|burst| burst.calls).sum(),
            bytes: those.map(|burst| burst.bytes).sum(),
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// The requests that had to wait, the heaviest first.
fn evidence(case: &Case<'_>, bursts: &[Burst]) -> Vec<Evidence> {
    let waited = bursts.iter().filter(|burst| burst.reason != Reason::Asked);
    let mut evidence: Vec<Evidence> = waited
        .map(|burst| {
            let event = case.trace.events.get(burst.next);
            Evidence {
                what: format!(
                    "event {}: {} went back for {} more",
                    burst.next, burst.bytes, event.size
                ),
                bytes: burst.bytes,
                count: burst.calls,
                stack: event.stack,
            }
        })
        .collect();
    evidence.sort_by_key(|evidence| std::cmp::Reverse(evidence.bytes));
    evidence.truncate(8);
    evidence
}

/// The bursts of segments that went back up to `until`.
fn bursts(trace: &Trace, until: Instant) -> Vec<Burst> {
    let actions = &trace.events.actions()[..until.events().min(trace.events.len())];
    let mut bursts = Vec::new();
    let mut index = 0;
    while index < actions.len() {
        let (mut bytes, mut calls) = (Bytes::ZERO, 0);
        while let Some(Action::SegmentFree | Action::SegmentUnmap) = actions.get(index) {
            bytes += trace.events.get(index).size;
            calls += 1;
            index += 1;
        }
        if 0 < calls {
            let reason = reason(trace, index);
            bursts.push(Burst { reason, bytes, calls, next: index });
        }
        index += 1;
    }
    bursts
}

/// Why the segments before the event at `next` went back. Inside of a failing request they carry
/// its stack; elsewhere that of whoever asked for it.
fn reason(trace: &Trace, next: usize) -> Reason {
    if trace.events.len() <= next
        || trace.events.get(next - 1).stack != trace.events.get(next).stack
    {
        return Reason::Asked;
    }
    match trace.events.actions()[next] {
        Action::OutOfMemory => Reason::Failure,
        Action::SegmentAlloc | Action::SegmentMap if collects(trace) || keeps_some(trace, next) => {
            Reason::Part
        }
        Action::SegmentAlloc | Action::SegmentMap => Reason::Retry,
        Action::Alloc
        | Action::FreeRequested
        | Action::FreeCompleted
        | Action::SegmentFree
        | Action::SegmentUnmap
        | Action::Snapshot
        | Action::Annotate
        | Action::RecordStream
        | Action::EmptyCache
        | Action::Synchronize
        | Action::Unknown => Reason::Asked,
    }
}

/// Whether the allocator was set to give old segments back before the card is full.
fn collects(trace: &Trace) -> bool {
    trace.settings.as_ref().is_some_and(|settings| settings.garbage_collection_threshold.is_some())
}

/// Whether whole free segments of the default pool were left when the event at `next` came.
fn keeps_some(trace: &Trace, next: usize) -> bool {
    let state = trace.state_at(Instant::after(next - 1));
    let mut default = state.segments.iter().filter(|segment| !segment.pool.is_private());
    default.any(|segment| segment.gaps().any(|gap| !segment.releasable(gap).is_empty()))
}
