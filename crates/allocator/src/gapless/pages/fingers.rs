//! Where the block of a slot may be.

use std::cell::Cell;

use crate::gapless::names::{BlockIndex, Slot};

use super::PageTable;

/// Of which slots beside it a slot has the fingers, by their distance.
const NEAR: [u32; 3] = [1, 8, 64];

impl PageTable {
    /// Notes the block that a slot is seen in.
    pub(in crate::gapless) fn point(&self, slot: Slot, at: BlockIndex) {
        self.latest.set(at);
        if let Some(finger) = self.reservation(slot.reservation).fingers.get(slot.number as usize) {
            finger.set(at);
        }
    }

    /// The block that a slot was seen in last, or none.
    #[inline]
    pub(in crate::gapless) fn finger(&self, slot: Slot) -> BlockIndex {
        let fingers = &self.reservation(slot.reservation).fingers;
        fingers.get(slot.number as usize).map_or(BlockIndex::NONE, Cell::get)
    }

    /// Blocks that are perhaps those of a slot or near it: that of the last slot that was searched for,
    /// the one that the slot was seen in last, and those of slots beside it.
    pub(in crate::gapless) fn fingers(&self, slot: Slot) -> impl Iterator<Item = BlockIndex> {
        let Slot { reservation, number } = slot;
        let fingers = &self.reservation(reservation).fingers;
        let beside = move |distance| [number.checked_sub(distance), number.checked_add(distance)];
        let numbers = NEAR.into_iter().flat_map(beside).flatten();
        let numbers = std::iter::once(number).chain(numbers);
        let own = numbers.filter_map(|number| fingers.get(number as usize)?.get().some());
        self.latest.get().some().into_iter().chain(own)
    }
}
