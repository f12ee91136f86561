//! Pages that have to stay where they are.

use gapless_units::Extent;

use super::books::Books;
use super::names::At;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Keeps the pages under a block where they are.
    pub(super) fn pin(&mut self, at: At) -> Extent {
        let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
        self.table.pin(territory, extent);
        extent
    }
}
