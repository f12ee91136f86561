//! What blocks are called.

/// A block in the program's hands. It names one allocation and goes stale with its free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

/// A block's place among all blocks of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockIndex(pub(super) u32);

impl BlockIndex {
    /// No block.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}
