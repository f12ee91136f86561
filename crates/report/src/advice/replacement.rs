//! Another allocator in the place of PyTorch's: what is told of it, and in which words.

use gapless_diagnose::advice::Replacement;
use gapless_units::Bytes;
use serde::Serialize;

use super::advised::AdvisedDevice;
use crate::figures::{counted, grouped, percent};
use crate::replay::millis;

/// The same recording through another allocator.
#[derive(Clone, Debug, Serialize)]
pub struct ReplacementFacts {
    /// Its name.
    pub allocator: &'static str,
    /// Its settings.
    pub settings: String,
    /// Whether it fits and no setting does, or reserves clearly less than the best that does.
    pub offered: bool,
    /// Whether every request was met.
    pub completed: bool,
    /// The first operation that failed.
    pub failed_operation: Option<usize>,
    /// The most that was reserved.
    pub peak_reserved_bytes: u64,
    /// What of the card was left at the narrowest; null where the card is not known.
    pub headroom_bytes: Option<u64>,
    /// What it reserves less at its peak than the current settings; null where either fails.
    pub saved_bytes: Option<i64>,
    /// Requests that waited for the device.
    pub stalls: u64,
    /// Calls of the device, counted as for settings.
    pub device_calls: u64,
    /// What they take by the cost preset.
    pub modelled_us: f64,
    /// The smallest card.
    pub smallest_capacity_bytes: u64,
    /// What of it the allocator cannot have.
    pub outside_bytes: u64,
    /// The share of that card within reach that is not alive at the peak.
    pub waste_at_capacity: f64,
}

impl ReplacementFacts {
    pub(super) fn of(it: &Replacement, device: &AdvisedDevice) -> Self {
        let AdvisedDevice { sweep, advice, .. } = device;
        let now = advice.trials.iter().find(|trial| trial.place == 0);
        let now = now.filter(|now| now.outcome.completed() && it.completed());
        let reach = sweep.terms.capacity.map(|capacity| {
            capacity.saturating_sub(sweep.terms.outside).saturating_sub(it.peak_reserved)
        });
        let signed = |bytes: Bytes| i64::try_from(bytes.get()).unwrap_or(i64::MAX);
        Self {
            allocator: it.contender.name,
            settings: it.contender.settings.clone(),
            offered: it.is_offered(&advice.trials),
            completed: it.completed(),
            failed_operation: it
                .failed
                .map(|operation| operation.saturating_sub(sweep.program().prelude())),
            peak_reserved_bytes: it.peak_reserved.get(),
            headroom_bytes: reach.filter(|_| it.completed()).map(Bytes::get),
            saved_bytes: now
                .map(|now| signed(now.outcome.peak.reserved) - signed(it.peak_reserved)),
            stalls: it.stalls,
            device_calls: it.calls.total(),
            modelled_us: it.modelled_nanos as f64 / 1e3,
            smallest_capacity_bytes: it.smallest_capacity.get(),
            outside_bytes: sweep.terms.outside.get(),
            waste_at_capacity: it.waste,
        }
    }

    /// What a person reads: what it brings, what it costs, and what the change is.
    pub(super) fn sentence(&self, cost_preset: &str) -> String {
        let reserved = Bytes::new(self.peak_reserved_bytes);
        let smallest = Bytes::new(self.smallest_capacity_bytes).shown_at_least();
        let (outside, waste) = (Bytes::new(self.outside_bytes), percent(self.waste_at_capacity));
        let needs = format!(
            "the smallest card is {smallest}, {outside} of it for the context and {waste} of the \
             rest never alive"
        );
        let name = self.allocator;
        let brings = match (self.failed_operation, self.headroom_bytes) {
            (Some(operation), _) => {
                format!("With {name} operation {} fails here; {needs}.", grouped(operation))
            }
            (None, Some(headroom)) => format!(
                "With {name} it fits, with {} to spare: {reserved} reserved at most; {needs}.",
                Bytes::new(headroom)
            ),
            (None, None) => format!("{name} reserves {reserved} at most; {needs}."),
        };
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        format!(
            "{brings} {}, {} of the device ({} by the costs {cost_preset}). That is a change of \
             the program, not of a setting: it is a library for Rust, and no plug-in for PyTorch \
             yet.",
            counted(count(self.stalls), "stall"),
            counted(count(self.device_calls), "call"),
            millis(self.modelled_us)
        )
    }
}
