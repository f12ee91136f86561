//! What blocks, pages and places are called.

/// A block in the program's hands. It names one allocation and goes stale with its free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    pub(super) at: At,
    pub(super) generation: u32,
}

/// A block's place among all blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct At(pub(super) u32);

impl At {
    /// No block. In its place lies one that is never free, spans nothing, and whose neighbors anybody
    /// may write: who looks at the neighbors of a block need not ask whether there are any.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An arena's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ArenaIndex(pub(super) u32);

/// A territory's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TerritoryIndex(pub(super) u32);

/// A page of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageIndex(pub(super) u32);

/// A page-sized place in a territory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Frame {
    pub(super) territory: TerritoryIndex,
    pub(super) number: u32,
}

/// Whether the second frame lies right behind the first, as slices are cut into runs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "`chunk_by` passes references")]
pub(super) fn are_neighbors(a: &Frame, b: &Frame) -> bool {
    a.territory == b.territory && a.number + 1 == b.number
}
