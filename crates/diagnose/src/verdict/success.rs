//! The verdict where no request failed.

use gapless_trace::Action;
use gapless_units::Bytes;

use super::{Verdict, VerdictKind};
use crate::case::Case;

/// Judges a recording at an instant at which nothing had just failed.
pub(super) fn judge(case: &Case<'_>) -> Verdict {
    let reserved = case.ledger.reserved();
    let active = case.ledger.active();
    let share = 100.0 * active.share_of(reserved);
    if !case.trace.events.actions().contains(&Action::Alloc) {
        let text = format!(
            "The recording has no requests, only a final state, so it does not say whether a request failed. \
             {active} of {reserved} reserved are in use ({share:.1} %)."
        );
        return Verdict::new(VerdictKind::CannotTell, text)
            .with("active_bytes", active)
            .with("reserved_bytes", reserved);
    }
    let peak = case.trace.peak_totals();
    let unused = peak.reserved.saturating_sub(peak.active);
    let until = if case.trace.failure().is_some() { "up to here " } else { "" };
    let text = format!(
        "No request failed {until}in this recording. {} were in use at the peak and {} reserved{}.",
        peak.active,
        peak.reserved,
        surplus(unused, peak.reserved),
    );
    Verdict::new(VerdictKind::Fits, text)
        .with("peak_active_bytes", peak.active)
        .with("peak_reserved_bytes", peak.reserved)
        .with("unused_bytes", unused)
}

fn surplus(unused: Bytes, reserved: Bytes) -> String {
    if unused.is_zero() {
        return String::new();
    }
    format!(": {unused} more than was needed at once ({:.1} %)", 100.0 * unused.share_of(reserved))
}
