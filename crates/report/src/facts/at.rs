//! Instants, as they are told.

use gapless_trace::{Instant, Totals, Trace};
use gapless_units::Bytes;
use serde::{Serialize, Serializer};

/// The instant of a ledger. In JSON `"failure"`, `"end"`, or the index of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtFacts {
    /// Right after the last request that failed for good.
    Failure,
    /// After the last event.
    End,
    /// Right after this event.
    Event(usize),
}

impl Serialize for AtFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Failure => serializer.serialize_str("failure"),
            Self::End => serializer.serialize_str("end"),
            Self::Event(index) => serializer.serialize_u64(*index as u64),
        }
    }
}

impl AtFacts {
    pub(super) fn of(trace: &Trace, at: Instant) -> Self {
        match at.event() {
            Some(event) if trace.failure() == Some(event) => Self::Failure,
            Some(event) if at < trace.end() => Self::Event(event),
            Some(_) | None => Self::End,
        }
    }
}

/// How many events came before the first instant at which each total had its maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeakAtFacts {
    /// Of requested bytes.
    pub requested_events: usize,
    /// Of allocated bytes.
    pub allocated_events: usize,
    /// Of active bytes.
    pub active_events: usize,
    /// Of reserved bytes.
    pub reserved_events: usize,
}

impl PeakAtFacts {
    pub(super) fn of(trace: &Trace) -> Self {
        let peak = trace.peak_totals();
        let first = |total: fn(&Totals) -> Bytes, seen: &mut Option<usize>, now| {
            let (events, totals): (usize, Totals) = now;
            if seen.is_none() && total(&totals) == total(&peak) {
                *seen = Some(events);
            }
        };
        let mut seen = [None; 4];
        let [requested, allocated, active, reserved] = &mut seen;
        for now in trace.totals().enumerate() {
            first(|totals| totals.requested, requested, now);
            first(|totals| totals.allocated, allocated, now);
            first(|totals| totals.active, active, now);
            first(|totals| totals.reserved, reserved, now);
        }
        let [requested, allocated, active, reserved] = seen.map(Option::unwrap_or_default);
        Self {
            requested_events: requested,
            allocated_events: allocated,
            active_events: active,
            reserved_events: reserved,
        }
    }
}
