//! Extents whose pages have to stay where they are, and how often each is pinned.

use std::collections::hash_map::Entry;

use gapless_units::Extent;

use super::PageTable;
use crate::gapless::names::{ReservationIndex, Slot};

/// How often an extent is pinned. Its reservation has pins, so it stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pins {
    reservation: ReservationIndex,
    count: u32,
}

impl PageTable {
    /// Keeps the pages under an extent where they are.
    pub(in crate::gapless) fn pin(&mut self, reservation: ReservationIndex, extent: Extent) {
        self.pinned.entry(extent).or_insert(Pins { reservation, count: 0 }).count += 1;
        for slot in self.touched(reservation, extent) {
            self.slot_mut(slot).pins += 1;
        }
    }

    /// How many pins there are that share a byte with a slot.
    pub(in crate::gapless) fn pins_over(&self, slot: Slot) -> u64 {
        let touches = |(pinned, pins): &(&Extent, &Pins)| {
            let mut touched = self.touched(pins.reservation, **pinned);
            touched.any(|other| other == slot)
        };
        self.pinned.iter().filter(touches).map(|(_, pins)| u64::from(pins.count)).sum()
    }

    /// Ends a pin; says whether there was one.
    pub(in crate::gapless) fn unpin(&mut self, pinned: Extent) -> bool {
        let Entry::Occupied(mut entry) = self.pinned.entry(pinned) else { return false };
        let Pins { reservation, count } = *entry.get();
        if count == 1 {
            entry.remove();
        } else {
            entry.get_mut().count -= 1;
        }
        for slot in self.touched(reservation, pinned) {
            self.slot_mut(slot).pins -= 1;
        }
        true
    }
}
