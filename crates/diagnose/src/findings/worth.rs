//! What is worth telling.

use gapless_trace::{Instant, Trace};
use gapless_units::Bytes;

use crate::case::Case;

/// Below this nobody changes a program.
const SMALLEST: Bytes = Bytes::mib(16);
/// Below this share of the peak, in parts of a hundred, neither.
const SHARE: u64 = 100;

/// The fewest bytes that make a finding.
pub(super) fn worth(case: &Case<'_>) -> Bytes {
    let share = case.trace.peak_totals().reserved.get() / SHARE;
    SMALLEST.max(Bytes::new(share))
}

/// The instant at which most bytes were in use.
pub(super) fn busiest(trace: &Trace) -> Instant {
    let peak = trace.peak_totals().active;
    let events = trace.totals().position(|totals| totals.active == peak).unwrap_or(0);
    events.checked_sub(1).map_or(Instant::START, Instant::after)
}

/// `1 block`, `2 blocks`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The setting that most fragmentation is tried to be cured with, and what it would do here;
/// nothing where the recording already ran with it.
pub(super) fn try_expandable(case: &Case<'_>, effect: &str) -> Option<String> {
    let expandable = case.trace.settings.as_ref().is_some_and(|s| s.expandable_segments);
    (!expandable)
        .then(|| format!("Try `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`: {effect}"))
}
