//! Pages that have to stay where they are, and private pools that are over.

use std::collections::hash_map::Entry;

use gapless_units::{Extent, PoolId};

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Keeps the pages under a block where they are.
    pub(super) fn pin(&mut self, at: At) -> Extent {
        let extent = self.blocks[at].extent();
        *self.pinned.entry(extent).or_default() += 1;
        for frame in self.table.touched(self.blocks[at].territory, extent) {
            self.table.frame_mut(frame).pins += 1;
        }
        extent
    }

    /// Ends a pin; says whether there was one.
    pub(super) fn unpin(&mut self, pinned: Extent) -> bool {
        let Entry::Occupied(mut times) = self.pinned.entry(pinned) else { return false };
        *times.get_mut() -= 1;
        if *times.get() == 0 {
            times.remove();
        }
        // Addresses with pins stay reserved.
        let holder = self.table.territories().find(|(_, book)| book.extent.contains(pinned));
        let Some((territory, _)) = holder else { return false };
        for frame in self.table.touched(territory, pinned) {
            self.table.frame_mut(frame).pins -= 1;
        }
        true
    }

    /// Lets the pages of a private pool move from now on.
    pub(super) fn end_pool(&mut self, pool: PoolId) {
        self.ended.insert(pool);
    }
}
