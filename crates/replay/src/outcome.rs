//! What became of a replay.

use gapless_allocator::{AllocationError, Statistics};
use gapless_device::CallCounts;
use gapless_trace::Totals;
use gapless_units::{Bytes, PoolId, StreamId};

/// A request that failed in a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The operation of the program.
    pub operation: usize,
    /// The event of the recording it stands for.
    pub event: usize,
    /// What was asked for.
    pub requested: Bytes,
    /// For which stream.
    pub stream: StreamId,
    /// From which pool.
    pub pool: PoolId,
    /// The four sums at that point.
    pub totals: Totals,
    /// Why.
    pub reason: AllocationError,
}

/// What became of a replay.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The requests that failed, in order; where a failure stops the replay, at most one.
    pub failures: Vec<Failure>,
    /// How many operations were carried out, one that failed and stopped the replay excluded.
    pub operations: usize,
    /// The most of each sum.
    pub peak: Totals,
    /// The sums at the end.
    pub end: Totals,
    /// The allocator's statistics at the end.
    pub statistics: Statistics,
    /// Requests that waited for the device.
    pub stalls: u64,
    /// How often the device was called.
    pub calls: CallCounts,
    /// What the device's calls take by the cost model, in nanoseconds.
    pub modelled_nanos: u64,
}

impl Outcome {
    /// Whether every request was met.
    pub fn completed(&self) -> bool {
        self.failures.is_empty()
    }
}
