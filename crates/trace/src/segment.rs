//! Segments and blocks as a snapshot lists them.

use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use crate::stacks::StackId;

/// Which of a pool's two halves serves a size; PyTorch's `segment_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SizePool {
    /// Blocks of up to 1 MiB.
    Small,
    /// All larger blocks.
    Large,
}

impl SizePool {
    /// PyTorch's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

/// What a block of a snapshot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockState {
    /// The program holds it.
    Allocated,
    /// The program let go of it, another stream may still use it.
    PendingFree,
    /// Free.
    Inactive,
}

/// A block of a snapshot, as written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBlock {
    /// Its first byte.
    pub addr: Addr,
    /// Its size.
    pub size: Bytes,
    /// What the program asked for; meaningless for inactive blocks.
    pub requested: Bytes,
    /// What it is doing.
    pub state: BlockState,
    /// Where it was allocated.
    pub stack: StackId,
}

/// A segment of a snapshot, as written there: a piece of device memory, or one contiguous mapped
/// range of an expandable segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalSegment {
    /// Its first byte.
    pub addr: Addr,
    /// Its size.
    pub size: Bytes,
    /// The stream whose requests it serves.
    pub stream: StreamId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// Which half of the pool.
    pub size_pool: SizePool,
    /// Whether it is mapped page by page.
    pub expandable: bool,
    /// What the snapshot gives as the sum of its allocated blocks, where it does.
    pub allocated: Option<Bytes>,
    /// Where it was asked of the device.
    pub stack: StackId,
    /// Its blocks in the order of the file.
    pub blocks: Vec<FinalBlock>,
    /// Whole pages of it that the program pinned, which stay where they are also while they are
    /// free; only our own allocator tells.
    pub pinned: Vec<Extent>,
}
