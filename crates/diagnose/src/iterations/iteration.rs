//! What memory did during one iteration.

use gapless_trace::{Instant, Totals, Trace};
use gapless_units::Bytes;

/// One iteration in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// Its first instant.
    pub start: Instant,
    /// The first instant that is not part of it.
    pub end: Instant,
    /// The smallest of each total: what the iteration never let go of.
    pub floor: Totals,
    /// The largest of each total.
    pub peak: Totals,
    /// The totals at its end.
    pub last: Totals,
    /// What was asked of the device in it.
    pub taken: Bytes,
    /// What went back to the device in it.
    pub given_back: Bytes,
}

impl Iteration {
    /// Measures every iteration between two neighbors of `starts`.
    pub(super) fn measure(trace: &Trace, starts: &[Instant]) -> Vec<Self> {
        let mut each: Vec<Self> =
            starts.windows(2).map(|pair| Self::new(pair[0], pair[1])).collect();
        let mut current = 0;
        let mut reserved = Bytes::ZERO;
        for (events, totals) in trace.totals().enumerate() {
            if each.get(current).is_some_and(|iteration| iteration.end.events() <= events) {
                current += 1;
            }
            let Some(iteration) = each.get_mut(current) else { break };
            if iteration.start.events() <= events {
                iteration.taken += totals.reserved.saturating_sub(reserved);
                iteration.given_back += reserved.saturating_sub(totals.reserved);
                iteration.take_in(totals);
            }
            reserved = totals.reserved;
        }
        each
    }

    fn new(start: Instant, end: Instant) -> Self {
        let most = Bytes::new(u64::MAX);
        let floor = Totals { requested: most, allocated: most, active: most, reserved: most };
        let (peak, last) = (Totals::default(), Totals::default());
        Self { start, end, floor, peak, last, taken: Bytes::ZERO, given_back: Bytes::ZERO }
    }

    fn take_in(&mut self, totals: Totals) {
        self.floor = Totals {
            requested: self.floor.requested.min(totals.requested),
            allocated: self.floor.allocated.min(totals.allocated),
            active: self.floor.active.min(totals.active),
            reserved: self.floor.reserved.min(totals.reserved),
        };
        self.peak = self.peak.max(totals);
        self.last = totals;
    }
}
