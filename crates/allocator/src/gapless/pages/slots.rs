//! Which slots an extent touches, which lie in it, and which of them have memory.

use gapless_units::{Addr, Extent};

use super::PageTable;
use crate::gapless::names::{ReservationIndex, Slot};

impl PageTable {
    /// The first slot that shares a byte with what begins at an address, and the one behind the
    /// last that shares a byte with what ends at another.
    fn touched_numbers(&self, reservation: ReservationIndex, extent: Extent) -> (u32, u32) {
        let start = self.reservation(reservation).extent.start();
        let first = self.whole_pages(extent.start() - start);
        let end = self.pages_for(extent.end() - start);
        (number(first), number(end))
    }

    /// The slots that share a byte with an extent.
    pub(in crate::gapless) fn touched(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Slot> + ExactSizeIterator + use<> {
        let (first, end) = self.touched_numbers(reservation, extent);
        (first..end).map(move |number| Slot { reservation, number })
    }

    /// The slots that share a byte with an extent and have no memory.
    pub(in crate::gapless) fn inactive(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> impl Iterator<Item = Slot> {
        let (first, end) = self.touched_numbers(reservation, extent);
        let numbers = self.reservation(reservation).active.missing(first, end);
        numbers.map(move |number| Slot { reservation, number })
    }

    /// Whether every slot that shares a byte with an extent has memory.
    #[inline]
    pub(in crate::gapless) fn is_active(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> bool {
        let (first, end) = self.touched_numbers(reservation, extent);
        self.reservation(reservation).active.contains_all(first, end)
    }

    /// The first slot that lies wholly in an extent, and the first behind those that do.
    fn inside_numbers(&self, reservation: ReservationIndex, extent: Extent) -> (u32, u32) {
        let start = self.reservation(reservation).extent.start();
        let first = self.pages_for(extent.start() - start);
        let end = self.whole_pages(extent.end() - start);
        (number(first), number(end.max(first)))
    }

    /// The slots that lie wholly in an extent.
    pub(in crate::gapless) fn inside(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Slot> + use<> {
        let (first, end) = self.inside_numbers(reservation, extent);
        (first..end).map(move |number| Slot { reservation, number })
    }

    /// The slots with memory that lie wholly in an extent, from the last to the first.
    pub(in crate::gapless) fn active_inside(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> impl Iterator<Item = Slot> {
        let (first, end) = self.inside_numbers(reservation, extent);
        let numbers = self.reservation(reservation).active.last_to_first(first, end);
        numbers.map(move |number| Slot { reservation, number })
    }

    /// How many slots lie wholly in an extent.
    pub(in crate::gapless) fn inside_count(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> u32 {
        let (first, end) = self.inside_numbers(reservation, extent);
        end - first
    }

    /// Whether the bytes of a page are used under a slot.
    pub(in crate::gapless) fn has_memory(&self, slot: Slot) -> bool {
        self.reservation(slot.reservation).active.contains(slot.number)
    }

    /// How many slots that lie wholly in an extent have no memory.
    pub(in crate::gapless) fn count_bare(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> u32 {
        let (first, end) = self.inside_numbers(reservation, extent);
        self.reservation(reservation).active.count_missing(first, end)
    }

    /// How many slots that share a byte with an extent have no memory.
    pub(in crate::gapless) fn count_lacking(
        &self,
        reservation: ReservationIndex,
        extent: Extent,
    ) -> u32 {
        let (first, end) = self.touched_numbers(reservation, extent);
        self.reservation(reservation).active.count_missing(first, end)
    }

    /// All slots of a reservation up to the farthest that ever had memory.
    pub(in crate::gapless) fn slots(
        &self,
        reservation: ReservationIndex,
    ) -> impl Iterator<Item = Slot> + use<> {
        let count = u32::try_from(self.reservation(reservation).slots.len()).unwrap_or(u32::MAX);
        (0..count).map(move |number| Slot { reservation, number })
    }

    pub(in crate::gapless) fn addr(&self, slot: Slot) -> Addr {
        self.reservation(slot.reservation).extent.start() + self.bytes_of(u64::from(slot.number))
    }

    pub(in crate::gapless) fn extent(&self, slot: Slot) -> Extent {
        let addr = self.addr(slot);
        Extent::between(addr, addr + self.page_size)
    }

    /// What a run of neighboring slots spans.
    pub(in crate::gapless) fn span_of(&self, run: &[Slot]) -> Extent {
        let (first, last) = (run[0], run[run.len() - 1]);
        Extent::between(self.addr(first), self.extent(last).end())
    }
}

/// Reservations have less than 2^32 slots.
fn number(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
