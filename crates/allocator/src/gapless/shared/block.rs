//! A block of a shared allocator, in the program's hands.

use gapless_units::{Bytes, Extent, StreamId};

use crate::failure::FreeError;
use crate::gapless::names::{ArenaIndex, BlockIndex};

/// A block in the program's hands, from a [`ThreadFront`](super::ThreadFront). It may be given back
/// by any thread, and is lost to the allocator where it is dropped instead.
#[derive(Debug)]
#[must_use = "a block that is dropped is never given back"]
pub struct Block {
    pub(super) at: BlockIndex,
    pub(super) arena: ArenaIndex,
    pub(super) extent: Extent,
    pub(super) requested: Bytes,
    /// The other streams that use it.
    pub(super) uses: Vec<StreamId>,
    /// The name of the books it is in.
    pub(super) books: u64,
}

impl Block {
    /// Where it lies, and how large it is: at least as asked for.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// What was asked for.
    pub fn requested(&self) -> Bytes {
        self.requested
    }

    /// Tells that work queued on `stream` so far uses the block, besides its own stream. It is not
    /// used again before that work is done.
    pub fn record_stream(&mut self, stream: StreamId) {
        if !self.uses.contains(&stream) {
            self.uses.push(stream);
        }
    }
}

/// A free that failed, with the block, which the program has as before.
#[derive(Debug, thiserror::Error)]
#[error("a block of {} could not be given back", .block.requested)]
pub struct NotFreed {
    /// The block.
    pub block: Block,
    /// Why.
    #[source]
    pub reason: FreeError,
}
