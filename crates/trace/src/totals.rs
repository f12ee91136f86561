//! The four curves: requested, allocated, active and reserved bytes at every instant.

use gapless_units::Bytes;

use crate::allocation::{Allocation, Subjects};
use crate::instant::Instant;
use crate::mapping::Mapping;

/// The four sums at an instant, as PyTorch's statistics of the same names count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What was asked for, of every block that is not free yet (pending ones included).
    pub requested: Bytes,
    /// The blocks the program holds.
    pub allocated: Bytes,
    /// The blocks that are not free: held, or still waiting for another stream.
    pub active: Bytes,
    /// The physical memory held from the device.
    pub reserved: Bytes,
}

impl Totals {
    /// Each sum the larger of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            requested: self.requested.max(other.requested),
            allocated: self.allocated.max(other.allocated),
            active: self.active.max(other.active),
            reserved: self.reserved.max(other.reserved),
        }
    }
}

/// The totals at each instant in turn, from the start to the end.
#[derive(Debug)]
pub struct TotalsIter<'a> {
    allocations: &'a [Allocation],
    subjects: &'a Subjects,
    /// Whether reserved bytes are known; they are taken as the active bytes where not.
    placed: bool,
    now: Totals,
    next: usize,
    reserved: Vec<(Instant, bool, Bytes)>,
    next_change: usize,
}

impl<'a> TotalsIter<'a> {
    pub(crate) fn new(
        allocations: &'a [Allocation],
        subjects: &'a Subjects,
        mappings: &[Mapping],
        placed: bool,
    ) -> Self {
        let mut reserved = Vec::with_capacity(2 * mappings.len());
        for mapping in mappings {
            reserved.push((mapping.born, true, mapping.extent.size()));
            reserved.push((mapping.freed, false, mapping.extent.size()));
        }
        reserved.sort_by_key(|&(instant, _, _)| instant);
        let now = Totals::default();
        Self { allocations, subjects, placed, now, next: 0, reserved, next_change: 0 }
    }

    /// The first instant: everything older than the recording.
    fn start(&mut self) {
        let oldest = self.allocations.iter().take_while(|a| a.born == Instant::START);
        for allocation in oldest {
            self.now.requested += allocation.requested;
            self.now.active += allocation.size;
            if Instant::START < allocation.let_go {
                self.now.allocated += allocation.size;
            }
        }
    }

    fn step(&mut self, index: usize) {
        let Some(id) = self.subjects.get(index) else { return };
        let instant = Instant::after(index);
        let allocation = &self.allocations[id.index()];
        if allocation.born == instant {
            self.now.requested += allocation.requested;
            self.now.allocated += allocation.size;
            self.now.active += allocation.size;
        }
        if allocation.let_go == instant {
            self.now.allocated -= allocation.size;
        }
        if allocation.freed == instant {
            self.now.requested -= allocation.requested;
            self.now.active -= allocation.size;
        }
    }

    fn move_memory(&mut self, instant: Instant) {
        while let Some(&(at, comes, size)) = self.reserved.get(self.next_change) {
            if instant < at {
                break;
            }
            if comes {
                self.now.reserved += size;
            } else {
                self.now.reserved -= size;
            }
            self.next_change += 1;
        }
        if !self.placed {
            self.now.reserved = self.now.active;
        }
    }
}

impl Iterator for TotalsIter<'_> {
    type Item = Totals;

    fn next(&mut self) -> Option<Totals> {
        match self.next.checked_sub(1) {
            None => {
                self.start();
                self.move_memory(Instant::START);
            }
            Some(index) if index < self.subjects.len() => {
                self.step(index);
                self.move_memory(Instant::after(index));
            }
            Some(_) => return None,
        }
        self.next += 1;
        Some(self.now)
    }
}
