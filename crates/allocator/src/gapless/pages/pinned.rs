//! Extents whose pages have to stay where they are, and how often each is pinned.

use std::collections::hash_map::Entry;

use gapless_units::Extent;

use super::PageTable;
use crate::gapless::names::TerritoryIndex;

/// How often an extent is pinned. Its territory has pins, so it stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pins {
    territory: TerritoryIndex,
    count: u32,
}

impl PageTable {
    /// Keeps the pages under an extent where they are.
    pub(in crate::gapless) fn pin(&mut self, territory: TerritoryIndex, extent: Extent) {
        self.pinned.entry(extent).or_insert(Pins { territory, count: 0 }).count += 1;
        for frame in self.touched(territory, extent) {
            self.frame_mut(frame).pins += 1;
        }
    }

    /// Ends a pin; says whether there was one.
    pub(in crate::gapless) fn unpin(&mut self, pinned: Extent) -> bool {
        let Entry::Occupied(mut entry) = self.pinned.entry(pinned) else { return false };
        let Pins { territory, count } = *entry.get();
        if count == 1 {
            entry.remove();
        } else {
            entry.get_mut().count -= 1;
        }
        for frame in self.touched(territory, pinned) {
            self.frame_mut(frame).pins -= 1;
        }
        true
    }
}
