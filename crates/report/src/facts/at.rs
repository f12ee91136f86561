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
    pub(crate) fn of(trace: &Trace, at: Instant) -> Self {
        match at.event() {
            Some(event) if trace.failure() == Some(event) => Self::Failure,
            Some(event) if at < trace.end() => Self::Event(event),
            Some(_) | None => Self::End,
        }
    }
}

/// The event right before the first instant at which each total had its maximum; null where that
/// is the start. `--at` takes these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeakAtFacts {
    /// Of requested bytes.
    pub requested_event: Option<usize>,
    /// Of allocated bytes.
    pub allocated_event: Option<usize>,
    /// Of active bytes.
    pub active_event: Option<usize>,
    /// Of reserved bytes.
    pub reserved_event: Option<usize>,
}

impl PeakAtFacts {
    pub(super) fn of(trace: &Trace) -> Self {
        let peaks = each(trace.peak_totals());
        let mut first = [None; 4];
        for (events, totals) in trace.totals().enumerate() {
            for ((first, peak), now) in first.iter_mut().zip(peaks).zip(each(totals)) {
                if now == peak {
                    first.get_or_insert(events);
                }
            }
            if first.iter().all(Option::is_some) {
                break;
            }
        }
        let before = |events: Option<usize>| events.and_then(|events| events.checked_sub(1));
        let [requested_event, allocated_event, active_event, reserved_event] = first.map(before);
        Self { requested_event, allocated_event, active_event, reserved_event }
    }
}

fn each(totals: Totals) -> [Bytes; 4] {
    [totals.requested, totals.allocated, totals.active, totals.reserved]
}
