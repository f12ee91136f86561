//! The four totals, as numbers of bytes.

use gapless_trace::Totals;
use gapless_units::Bytes;
use serde::Serialize;

/// The four totals at an instant, or the largest of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TotalsFacts {
    /// What was asked for.
    pub requested_bytes: u64,
    /// The blocks the program holds.
    pub allocated_bytes: u64,
    /// The blocks that are not free.
    pub active_bytes: u64,
    /// What is held from the device.
    pub reserved_bytes: u64,
}

impl From<Totals> for TotalsFacts {
    fn from(totals: Totals) -> Self {
        Self {
            requested_bytes: totals.requested.get(),
            allocated_bytes: totals.allocated.get(),
            active_bytes: totals.active.get(),
            reserved_bytes: totals.reserved.get(),
        }
    }
}

/// The state after the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EndFacts {
    /// The totals.
    #[serde(flatten)]
    pub totals: TotalsFacts,
    /// How many segments there are; a contiguous mapped range of an expandable one counts as one.
    pub segments: usize,
    /// The largest free extent.
    pub largest_gap_bytes: u64,
}

impl EndFacts {
    pub(super) fn of(totals: Totals, segments: usize, largest_gap: Bytes) -> Self {
        Self { totals: totals.into(), segments, largest_gap_bytes: largest_gap.get() }
    }
}
