//! Pages that have to stay where they are, and private pools that are over.

use gapless_units::{Extent, PoolId};

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

    /// Lets the pages of a private pool move from now on.
    pub(super) fn end_pool(&mut self, pool: PoolId) {
        self.ended.insert(pool);
    }
}
