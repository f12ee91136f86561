//! How much memory there is in use, for people and dashboards.

use std::fmt;

use gapless_units::Bytes;

use crate::statistics::Statistics;

/// What an allocator holds, in PyTorch's words: *allocated ≤ active ≤ reserved*, and *requested ≤ active*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Asked for in blocks that are not free, those included that other streams still use.
    pub requested: Bytes,
    /// Blocks the program holds.
    pub allocated: Bytes,
    /// These, and blocks given back that other streams still use.
    pub active: Bytes,
    /// Physical memory held from the device.
    pub reserved: Bytes,
    /// The most that was active at once, since peaks were reset.
    pub active_peak: Bytes,
    /// The most that was reserved at once, likewise.
    pub reserved_peak: Bytes,
    /// Requests that waited for the device.
    pub stalls: u64,
    /// Requests that failed for want of memory.
    pub failures: u64,
}

impl Usage {
    pub(crate) fn of(statistics: &Statistics, stalls: u64) -> Self {
        let Statistics { requested_bytes, allocated_bytes, active_bytes, reserved_bytes, .. } =
            statistics;
        Self {
            requested: Bytes::new(requested_bytes.all.current),
            allocated: Bytes::new(allocated_bytes.all.current),
            active: Bytes::new(active_bytes.all.current),
            reserved: Bytes::new(reserved_bytes.all.current),
            active_peak: Bytes::new(active_bytes.all.peak),
            reserved_peak: Bytes::new(reserved_bytes.all.peak),
            stalls,
            failures: statistics.num_ooms,
        }
    }

    /// Reserved and not in use: what the next requests are served from.
    pub fn free(&self) -> Bytes {
        self.reserved.saturating_sub(self.active)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} reserved, {} of them active (at most {} and {}); stalls: {}, failures: {}",
            self.reserved,
            self.active,
            self.reserved_peak,
            self.active_peak,
            self.stalls,
            self.failures
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gapless_trace::SizePool;

    #[test]
    fn it_reads_as_a_sentence() {
        let mut statistics = Statistics::default();
        statistics.reserved_bytes.increase(SizePool::Large, 8 << 20);
        statistics.active_bytes.increase(SizePool::Large, 7 << 20);
        statistics.active_bytes.decrease(SizePool::Large, 2 << 20);
        statistics.num_ooms = 1;
        let usage = Usage::of(&statistics, 2);
        assert_eq!(usage.free(), Bytes::mib(3));
        let text = "8.0 MiB reserved, 5.0 MiB of them active (at most 8.0 MiB and 7.0 MiB); \
                    stalls: 2, failures: 1";
        assert_eq!(usage.to_string(), text);
    }
}
