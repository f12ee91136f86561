//! What a thread keeps for itself.

use gapless_units::Extent;

use super::tally::Tally;
use crate::gapless::front::Front;
use crate::gapless::names::BlockIndex;

/// How many blocks a thread keeps. One that does not find its size leaves the others there, so with
/// more blocks fewer threads ask for the books; but each may keep two others from merging.
const BLOCKS: usize = 16;

/// What a thread keeps, and what happened to it that the books do not know. To them a block that is
/// kept is in the program's hands.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) front: Front<Parcel, BLOCKS>,
    pub(super) tally: Tally,
    /// Whether everything goes through the books.
    pub(super) is_shut: bool,
    /// How many pools and streams are over. Where the thread knows of fewer, what it takes for the
    /// arena of a name may be wrong.
    pub(super) ends: u64,
}

/// A block that is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parcel {
    pub(super) at: BlockIndex,
    pub(super) extent: Extent,
}
