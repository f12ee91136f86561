//! Pages that have to stay where they are.

use gapless_units::Extent;

use super::books::Books;
use super::names::BlockIndex;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Keeps the pages under a block where they are.
    pub(super) fn pin(&mut self, at: BlockIndex) -> Extent {
        let (reservation, extent) = (self.blocks[at].reservation, self.blocks[at].extent());
        self.table.pin(reservation, extent);
        extent
    }
}
