//! What all formats say alike.

use std::fmt::Write;

use gapless_units::Bytes;

use super::facts::{ComparisonFacts, ContenderFacts};
use crate::figures::{grouped, percent};
use crate::words::clean;

/// The columns of the table that fits a screen: those a card is bought by.
pub(super) const MEMORY: [&str; 8] =
    ["allocator", "fits in", "waste", "stalls", "no stall", "waste", "uncapped", "waste"];

/// What a run without a limit takes of the device and of the time.
pub(super) const COST: [&str; 6] =
    ["allocator", "calls", "pages mapped", "last iteration", "time", "of the recorded"];

/// Its calls by kind.
pub(super) const CALLS: [&str; 9] =
    ["allocator", "reserve", "create", "map", "access", "unmap", "release", "alloc", "free"];

/// The columns of the table for a page: memory and cost.
pub(super) const LONG: [&str; 11] = [
    "allocator",
    "fits in",
    "waste",
    "stalls there",
    "fits without a stall in",
    "waste",
    "reserves uncapped",
    "waste",
    "device calls",
    "pages mapped (last iteration)",
    "time in calls",
];

/// The winner's mark.
const BEST: &str = "*";

/// The mark of a capacity above which some memory does not do.
const DOUBT: &str = "?";

/// What was compared, in pieces.
pub(super) fn headline(name: &str, facts: &ComparisonFacts) -> Vec<String> {
    let live = facts.allocators.first().map_or(0, |first| first.peak_live_bytes);
    vec![
        clean(name),
        format!("device {}", facts.device),
        format!("{} alive at most", Bytes::new(live)),
        format!("PyTorch's under default settings, as of {}", gapless_replay::NEWEST_RELEASE),
        format!("costs {}", facts.cost_preset),
    ]
}

/// Who needs least, in a sentence.
pub(super) fn answer(facts: &ComparisonFacts) -> String {
    if facts.allocators.iter().all(|it| it.peak_live_bytes == 0) {
        return "The program asked for nothing.".to_owned();
    }
    let least = facts.allocators.iter().map(|it| it.stall_free_capacity_bytes).min();
    let (Some(least), Some(usual)) = (least, facts.allocators.first()) else {
        return String::new();
    };
    let is_best = |it: &&ContenderFacts| is_least(it.stall_free_capacity_bytes, Some(least));
    let best: Vec<&ContenderFacts> = facts.allocators.iter().filter(is_best).collect();
    // In so much all of them do.
    let most = best.iter().map(|it| it.stall_free_capacity_bytes).max().unwrap_or(least);
    let best: Vec<&str> = best.iter().map(|it| it.name).collect();
    let (verb, needs) =
        (if best.len() == 1 { "runs" } else { "run" }, Bytes::new(most).shown_at_least());
    let needs = format!("{} {verb} it without a stall in {needs}", enumerated(&best));
    let than = if facts.allocators.len() == 1 {
        String::new()
    } else if best.contains(&usual.name) {
        "; no other needs less".to_owned()
    } else {
        let less = Bytes::new(usual.stall_free_capacity_bytes.saturating_sub(most));
        format!(", {less} less than {}", usual.name)
    };
    format!("{needs}{than}.")
}

/// Which requests of the recording are in no figure, in a sentence; none where all are.
pub(super) fn left_out(facts: &ComparisonFacts) -> Option<String> {
    let (requests, them) = match facts.failed_requests_left_out {
        0 => return None,
        1 => ("The request that failed in the recording is".to_owned(), "it"),
        failed => (format!("The {failed} requests that failed in the recording are"), "them"),
    };
    Some(format!(
        "{requests} left out: what the program would have done with {them} is not known. `gapless \
         advise` asks for {them}."
    ))
}

/// Whether a number of bytes is the least, as far as the search for it tells: to a thousandth.
fn is_least(bytes: u64, least: Option<u64>) -> bool {
    least.is_some_and(|least| bytes <= least + least / 1000)
}

/// Names in a sentence.
fn enumerated(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// One row for each allocator, the least memory of each column marked.
pub(super) fn memory_rows(facts: &ComparisonFacts) -> Vec<[String; 8]> {
    let row = |it: &ContenderFacts| {
        let [name, fits, waste, stalls, calm, calm_waste, uncapped, uncapped_waste, ..] =
            long_row(facts, it);
        [name, fits, waste, stalls, calm, calm_waste, uncapped, uncapped_waste]
    };
    facts.allocators.iter().map(row).collect()
}

pub(super) fn cost_rows(facts: &ComparisonFacts) -> Vec<[String; 6]> {
    let unknown = || "unknown".to_owned();
    let row = |it: &ContenderFacts| {
        [
            it.name.to_owned(),
            counted(it.all_device_calls),
            counted(it.granules_mapped),
            it.granules_mapped_last_iteration.map_or_else(unknown, counted),
            time(it),
            it.modelled_share_of_recorded.map_or_else(unknown, percent),
        ]
    };
    facts.allocators.iter().map(row).collect()
}

pub(super) fn call_rows(facts: &ComparisonFacts) -> Vec<[String; 9]> {
    let row = |it: &ContenderFacts| {
        let calls = it.device_calls;
        let of_memory = [calls.reserve, calls.create, calls.map, calls.set_access];
        let [reserve, create, map, access] = of_memory.map(rounded);
        let [unmap, release] = [calls.unmap, calls.release].map(rounded);
        let [alloc, free] = [calls.alloc, calls.free].map(rounded);
        [it.name.to_owned(), reserve, create, map, access, unmap, release, alloc, free]
    };
    facts.allocators.iter().map(row).collect()
}

pub(super) fn long_rows(facts: &ComparisonFacts) -> Vec<[String; 11]> {
    facts.allocators.iter().map(|it| long_row(facts, it)).collect()
}

fn long_row(facts: &ComparisonFacts, it: &ContenderFacts) -> [String; 11] {
    let marked = |of: fn(&ContenderFacts) -> u64, text: String| {
        let wins = is_least(of(it), facts.allocators.iter().map(of).min());
        if wins { format!("{text}{BEST}") } else { format!("{text} ") }
    };
    let size = |of: fn(&ContenderFacts) -> u64| {
        marked(of, Bytes::new(of(it)).shown_at_least().to_string())
    };
    let last = it.granules_mapped_last_iteration;
    let last = last.map_or(String::new(), |last| format!(" ({})", counted(last)));
    let doubt = |has_gaps| if has_gaps { DOUBT } else { "" };
    [
        it.name.to_owned(),
        doubt(it.smallest_capacity_has_gaps).to_owned() + &size(|it| it.smallest_capacity_bytes),
        percent(it.waste_at_capacity),
        counted(it.stalls_at_capacity),
        doubt(it.stall_free_capacity_has_gaps).to_owned()
            + &size(|it| it.stall_free_capacity_bytes),
        percent(it.stall_free_waste),
        doubt(fails_as_limit(it)).to_owned() + &size(|it| it.uncapped_peak_reserved_bytes),
        percent(it.uncapped_waste),
        counted(it.all_device_calls),
        format!("{}{last}", counted(it.granules_mapped)),
        time_and_share(it),
    ]
}

/// Whether what it reserves without a limit is too little as a limit.
fn fails_as_limit(it: &ContenderFacts) -> bool {
    it.uncapped_peak_reserved_bytes < it.smallest_capacity_bytes
}

/// The time in device calls.
fn time(it: &ContenderFacts) -> String {
    let millis = it.modelled_us / 1e3;
    if millis < 100.0 { format!("{millis:.1} ms") } else { format!("{:.2} s", millis / 1e3) }
}

/// The same with its share of the recorded time where that is known.
fn time_and_share(it: &ContenderFacts) -> String {
    match it.modelled_share_of_recorded {
        Some(share) => format!("{} ({})", time(it), percent(share)),
        None => time(it),
    }
}

fn counted(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The same in few letters, so that a row stays within a screen's width.
fn rounded(count: u64) -> String {
    match count {
        0..100_000 => counted(count),
        100_000..1_000_000 => format!("{} k", count / 1000),
        1_000_000.. => format!("{:.1} M", count as f64 / 1e6),
    }
}

/// What the marks mean, and what the columns are.
pub(super) fn legend(facts: &ComparisonFacts) -> String {
    let mut text = format!(
        "{BEST} the least memory, within 0.1 %. Fits in: the least found with which the program \
         completes, and the stalls there: requests that flush or wait; no stall: without any. \
         Waste: the share that is never alive. Uncapped: the most it reserves without a limit; \
         calls, pages and time are of that run. Pages are of 2 MiB; access, alloc and free are \
         cuMemSetAccess, cudaMalloc and cudaFree. Work counts as done when it is asked about; a \
         card is behind its program: more pages move there, and a little more memory may be needed."
    );
    if facts.allocators.iter().any(|it| 0.0 < it.modelled_us_before) {
        text.push_str(
            " What was alive before the recording is asked for first; the share of the recorded time is \
             without that.",
        );
    }
    for it in facts.allocators.iter().filter(|it| !it.note.is_empty()) {
        let _ = write!(text, " {}: {}.", it.name, it.note);
    }
    let has_gaps =
        |it: &ContenderFacts| it.smallest_capacity_has_gaps || it.stall_free_capacity_has_gaps;
    if facts.allocators.iter().any(has_gaps) {
        let _ = write!(
            text,
            " {DOUBT} with some larger memory it fails, or waits: more is not always better for it, and \
             in a long program it may fit in less that was not tried."
        );
    }
    if facts.allocators.iter().any(fails_as_limit) {
        let _ = write!(
            text,
            " {DOUBT} uncapped: as a limit it would be too little, for it places blocks otherwise then."
        );
    }
    let has_no_check = facts.fidelity.as_ref().is_some_and(|fidelity| fidelity.events == 0);
    if facts.recording.events == 0 || has_no_check {
        text.push_str(
            " The recording has no events: all that is compared is to allocate what was alive at its \
             end.",
        );
    }
    text
}
