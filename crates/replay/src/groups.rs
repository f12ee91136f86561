//! The events of a recording, cut into what each call of the program caused.

use std::ops::{Range, RangeInclusive};

use gapless_trace::{Action, SizePool, StackId, Trace};
use gapless_units::Bytes;
use rustc_hash::FxHashSet;

/// The events that one call caused: everything up to an allocation, a failure or a free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The events, the call's own last.
    pub(crate) events: Range<usize>,
    /// Whether memory went back to make room for the request, after waiting for every stream.
    pub(crate) waits: bool,
    /// The first event of a burst of memory going back that no request needed.
    pub(crate) empties_cache: Option<usize>,
}

/// Cuts the events of a recording into groups.
pub(crate) fn groups(trace: &Trace) -> Vec<Group> {
    let actions = trace.events.actions();
    let asking = lines_that_ask(trace);
    let mut groups = Vec::new();
    let mut start = 0;
    while start < actions.len() {
        let behind = actions[start..].iter().position(|&action| ends_call(action));
        let mut end = behind.map_or(actions.len(), |behind| start + behind + 1);
        // A free that waits for no other stream completes right away, within the same call.
        if actions[end - 1] == Action::FreeRequested
            && actions.get(end) == Some(&Action::FreeCompleted)
            && trace.subject(end) == trace.subject(end - 1)
        {
            end += 1;
        }
        groups.push(group(trace, &asking, start..end));
        start = end;
    }
    groups
}

fn ends_call(action: Action) -> bool {
    matches!(action, Action::Alloc | Action::OutOfMemory | Action::FreeRequested)
}

/// The stacks of all requests, those that failed among them.
fn lines_that_ask(trace: &Trace) -> FxHashSet<StackId> {
    let failed = trace.events.iter().filter(|event| event.action == Action::OutOfMemory);
    let met = trace.allocations.iter().map(|allocation| allocation.stack);
    met.chain(failed.map(|event| event.stack)).collect()
}

fn group(trace: &Trace, asking: &FxHashSet<StackId>, events: Range<usize>) -> Group {
    let actions = trace.events.actions();
    let is_release =
        |&index: &usize| matches!(actions[index], Action::SegmentFree | Action::SegmentUnmap);
    let first = events.clone().find(is_release);
    let last = events.clone().rev().find(is_release);
    let (Some(first), Some(last)) = (first, last) else {
        return Group { events, waits: false, empties_cache: None };
    };
    let asked = (last..events.end).any(|index| {
        matches!(actions[index], Action::SegmentAlloc | Action::SegmentMap | Action::OutOfMemory)
    });
    let waits = asked
        && !went_though_it_fits(trace, first..events.end)
        && !went_from_elsewhere(trace, asking, first..=last);
    let empties_cache = (!waits).then_some(first);
    Group { events, waits, empties_cache }
}

/// Whether memory went back that would have served the request behind it: then it was not the
/// request that sent it away, since the cache is searched first.
fn went_though_it_fits(trace: &Trace, events: Range<usize>) -> bool {
    let Some(request) = events.clone().next_back().map(|last| trace.events.get(last)) else {
        return false;
    };
    let rounded = trace.rules.round(request.size);
    let kind = trace.rules.size_pool(rounded);
    let small = trace.rules.segment_size(Bytes::new(1));
    events.map(|index| trace.events.get(index)).any(|event| {
        let kind_of_segment = if event.size <= small { SizePool::Small } else { SizePool::Large };
        event.action == Action::SegmentFree
            && event.stream == request.stream
            && event.pool == request.pool
            && kind_of_segment == kind
            && rounded <= event.size
            && trace.rules.may_serve(rounded, event.size)
    })
}

/// Whether all memory that went back was sent away at one line of the program, which never asks for any.
/// What a request sends away carries the request's stack, or before release 2.1 that of the last allocation
/// there was in it.
fn went_from_elsewhere(
    trace: &Trace,
    asking: &FxHashSet<StackId>,
    burst: RangeInclusive<usize>,
) -> bool {
    let sent_from = trace.events.get(*burst.start()).stack;
    sent_from.is_some()
        && !asking.contains(&sent_from)
        && burst.map(|index| trace.events.get(index)).all(|event| {
            !matches!(event.action, Action::SegmentFree | Action::SegmentUnmap)
                || event.stack == sent_from
        })
}
