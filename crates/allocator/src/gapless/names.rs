//! What blocks, pages and places are called.

/// A block in the program's hands. It names one allocation and goes stale with its free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    pub(super) at: BlockIndex,
    pub(super) generation: u32,
}

/// A block's place among all blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BlockIndex(pub(super) u32);

impl BlockIndex {
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

/// A reservation's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ReservationIndex(pub(super) u32);

/// A page of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageIndex(pub(super) u32);

/// A page-sized place in a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) reservation: ReservationIndex,
    pub(super) number: u32,
}

/// Which request of its arena one is, modulo 2^32, from one on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestNumber(u32);

impl RequestNumber {
    /// That of a request which was not watched.
    pub(super) const NONE: Self = Self(0);

    /// The request that comes behind so many.
    #[inline]
    pub(super) fn behind(count: usize) -> Self {
        Self(u32::try_from((count + 1) & (u32::MAX as usize)).unwrap_or_default())
    }

    /// How many requests later it came than another.
    pub(super) fn since(self, other: Self) -> usize {
        self.0.wrapping_sub(other.0) as usize
    }
}

/// Whether the second slot lies right behind the first, as slices are cut into runs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "`chunk_by` passes references")]
pub(super) fn are_neighbors(a: &Slot, b: &Slot) -> bool {
    a.reservation == b.reservation && a.number + 1 == b.number
}
