//! The verdict where no request failed.

use gapless_trace::{Action, Totals};
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
            "The recording has no requests, only a final state, so it does not say whether a \
             request failed. {active} of {reserved} reserved are in use ({share:.1} %)."
        );
        return Verdict::new(VerdictKind::CannotTell, text)
            .with("active_bytes", active)
            .with("reserved_bytes", reserved);
    }
    let seen = case.trace.totals().take(case.state.instant.events() + 1);
    let peak = seen.fold(Totals::default(), Totals::max);
    let unused = peak.reserved.saturating_sub(peak.active);
    let text = format!(
        "{} {} were in use at the peak and {} reserved{}.",
        failures(case),
        peak.active,
        peak.reserved,
        surplus(unused, peak.reserved),
    );
    Verdict::new(VerdictKind::Fits, text)
        .with("peak_active_bytes", peak.active)
        .with("peak_reserved_bytes", peak.reserved)
        .with("unused_bytes", unused)
}

/// What failed before this instant, at which nothing did.
fn failures(case: &Case<'_>) -> String {
    let until = case.state.instant;
    let earlier = &case.trace.events.actions()[..until.events()];
    let failed = earlier.iter().filter(|&&action| action == Action::OutOfMemory).count();
    match (failed, until < case.trace.end()) {
        (0, false) => "No request failed in this recording.".to_owned(),
        (0, true) => "No request failed up to here.".to_owned(),
        (1, _) => "A request failed earlier; this is a later moment.".to_owned(),
        (_, _) => format!("{failed} requests failed earlier; this is a later moment."),
    }
}

fn surplus(unused: Bytes, reserved: Bytes) -> String {
    if unused.is_zero() {
        return String::new();
    }
    format!(": {unused} more than was needed at once ({:.1} %)", 100.0 * unused.share_of(reserved))
}
