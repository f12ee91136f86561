//! The free blocks of one pool on one stream, in the order in which they are searched.

use gapless_units::Bytes;

use super::block::Block;
use super::names::Slot;
use super::rules::TieBreak;
use crate::ordered::{self, Ordered};

/// All sizes and addresses are multiples of so many bytes.
const UNIT: u32 = 9;
/// Sizes and addresses are counted in units of 2^9 bytes, which leaves them 48 bits.
const BITS: u32 = 48;

/// The order of free blocks in one number: the size, then the age of the segment where it counts,
/// then the address. Comparing it takes no branch, which a search feels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u128);

impl Key {
    /// Sizes and addresses below this fit into a key: the end of any address space there is.
    pub(super) const LIMIT: u64 = 1 << (BITS + UNIT);

    pub(super) fn of(block: &Block, tie_break: TieBreak) -> Self {
        let age = match tie_break {
            TieBreak::Address => 0,
            TieBreak::OldestSegment => u128::from(block.age),
        };
        let addr = u128::from(block.addr.get() >> UNIT);
        Self(Self::least(block.size).0 | age << BITS | addr)
    }

    /// The least key of a block of this size.
    pub(super) fn least(size: Bytes) -> Self {
        Self(u128::from(size.get() >> UNIT) << (128 - BITS))
    }

    /// The size of the block.
    pub(super) fn size(self) -> Bytes {
        let units = self.0 >> (128 - BITS);
        Bytes::new(u64::try_from(units).unwrap_or(u64::MAX) << UNIT)
    }
}

/// Free blocks in order.
pub(super) type FreeSet = Ordered<Key, Slot>;

/// A free block in the order.
pub(super) type Entry = ordered::Entry<Key, Slot>;
