//! A request as the rules see it, and the block found for it.

use gapless_units::{Bytes, StreamId};

use super::names::{PoolIndex, Slot};
use crate::ordered::Cursor;

/// A request as the allocator sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) requested: Bytes,
    pub(super) rounded: Bytes,
    /// What is asked of the device if no free block serves.
    pub(super) segment: Bytes,
    pub(super) stream: StreamId,
    pub(super) pool: PoolIndex,
    /// Whether segments grow by mapping pages for it.
    pub(super) expandable: bool,
}

/// A block that serves a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) slot: Slot,
    /// Its place among the free blocks, where it is still one of them.
    pub(super) place: Option<Cursor>,
}

impl Found {
    /// A block that is not among the free ones.
    pub(super) fn apart(slot: Slot) -> Self {
        Self { slot, place: None }
    }
}
