//! Pages that have to stay where they are, and private pools that are over.

use gapless_units::{Extent, PoolId};

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Keeps the pages under a block where they are.
    pub(super) fn pin(&mut self, at: At) -> Extent {
        let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
        for frame in self.table.touched(territory, extent) {
            self.table.frame_mut(frame).pins += 1;
        }
        extent
    }

    /// Ends a pin; says whether there was one.
    pub(super) fn unpin(&mut self, pinned: Extent) -> bool {
        let holder = self.table.territories().find(|(_, book)| book.extent.contains(pinned));
        let Some(territory) = holder.map(|(index, _)| index) else { return false };
        let frames: Vec<_> = self.table.touched(territory, pinned).collect();
        if frames.is_empty() || frames.iter().any(|&frame| self.table.frame(frame).pins == 0) {
            return false;
        }
        for frame in frames {
            self.table.frame_mut(frame).pins -= 1;
        }
        true
    }

    /// Lets the pages of a private pool move from now on.
    pub(super) fn end_pool(&mut self, pool: PoolId) {
        self.ended.insert(pool);
    }
}
