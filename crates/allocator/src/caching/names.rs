//! What blocks, pools and segments are called by, inside and outside of the allocator.

/// A block in the program's hands. It names one allocation and goes stale with its free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    pub(super) slot: Slot,
    pub(super) generation: u32,
}

/// A block's place among all blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(pub(super) u32);

impl Slot {
    /// No block.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    pub(super) fn some(self) -> Option<Self> {
        (!self.is_none()).then_some(self)
    }
}

/// A pool's place among all pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PoolIndex(pub(super) u32);

impl PoolIndex {
    /// The pool of small blocks that no private pool owns.
    pub(super) const SMALL: Self = Self(0);
    /// The pool of large blocks that no private pool owns.
    pub(super) const LARGE: Self = Self(1);
}

/// A private pool's place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PrivateIndex(pub(super) usize);

/// An expandable segment's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentIndex(pub(super) u32);
