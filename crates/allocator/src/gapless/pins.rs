//! Pages that have to stay where they are, and private pools that are over.

use std::collections::hash_map::Entry;

use gapless_units::{Extent, PoolId};

use super::books::Books;
use super::names::{At, TerritoryIndex};
use crate::observer::Observer;

/// How often an extent is pinned. Its territory has pins, so it stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pins {
    territory: TerritoryIndex,
    count: u32,
}

impl<O: Observer> Books<O> {
    /// Keeps the pages under a block where they are.
    pub(super) fn pin(&mut self, at: At) -> Extent {
        let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
        self.pinned.entry(extent).or_insert(Pins { territory, count: 0 }).count += 1;
        for frame in self.table.touched(territory, extent) {
            self.table.frame_mut(frame).pins += 1;
        }
        extent
    }

    /// Ends a pin; says whether there was one.
    pub(super) fn unpin(&mut self, pinned: Extent) -> bool {
        let Entry::Occupied(mut entry) = self.pinned.entry(pinned) else { return false };
        let Pins { territory, count } = entry.get_mut();
        let territory = *territory;
        *count -= 1;
        if *count == 0 {
            entry.remove();
        }
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
