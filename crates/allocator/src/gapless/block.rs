//! Blocks: what a reservation is cut into, held and free ones side by side.

use std::ops::{Index, IndexMut};
use std::sync::atomic::{AtomicU32, Ordering};

use gapless_units::{Addr, Bytes, Extent};

use super::names::{ArenaIndex, BlockId, BlockIndex, RequestNumber, ReservationIndex};
use super::time::Time;

/// Who has a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The program.
    Held,
    /// Nobody but another stream, whose work is not yet done.
    Pending,
    /// A request that is being served: its slots may lack memory as yet.
    Serving,
    /// Nobody; it waits, uncut and unmerged, for a request of its size.
    Shelved,
    /// Nobody; it is merged with its free neighbors.
    Free,
    /// There is none in its place: it became part of the block before, or its reservation is gone.
    Gone,
}

/// A piece of a reservation.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) addr: Addr,
    pub(super) size: Bytes,
    /// What was last asked for in it.
    pub(super) requested: Bytes,
    /// When the program was done with it: work of its own stream used it until then.
    pub(super) freed: Time,
    pub(super) arena: ArenaIndex,
    pub(super) reservation: ReservationIndex,
    pub(super) prev: BlockIndex,
    pub(super) next: BlockIndex,
    /// Those beside it among the free blocks of its bin.
    pub(super) bin_prev: BlockIndex,
    pub(super) bin_next: BlockIndex,
    /// Slots inside a free block that have no memory.
    pub(super) bare: u32,
    generation: u32,
    /// The request that it was handed out for.
    pub(super) request: RequestNumber,
    pub(super) state: State,
    /// Whether other streams used it since it was handed out.
    pub(super) used_elsewhere: bool,
}

impl Block {
    /// A free block that has no neighbors.
    fn spanning(
        extent: Extent,
        arena: ArenaIndex,
        reservation: ReservationIndex,
        bare: u32,
    ) -> Self {
        Self {
            addr: extent.start(),
            size: extent.size(),
            requested: Bytes::ZERO,
            freed: Time::NEVER,
            arena,
            reservation,
            prev: BlockIndex::NONE,
            next: BlockIndex::NONE,
            bin_prev: BlockIndex::NONE,
            bin_next: BlockIndex::NONE,
            bare,
            generation: 0,
            request: RequestNumber::NONE,
            state: State::Free,
            used_elsewhere: false,
        }
    }

    pub(super) fn end(&self) -> Addr {
        self.addr + self.size
    }

    pub(super) fn extent(&self) -> Extent {
        Extent::between(self.addr, self.end())
    }
}

/// All blocks of an allocator. Places are used again, under another generation.
#[derive(Debug)]
pub(super) struct Blocks {
    all: Vec<Block>,
    vacant: Vec<BlockIndex>,
    /// That of each place when it is used first. Every allocator has another, far from all others, so
    /// that it knows a block of theirs by a rare chance only.
    first_generation: u32,
}

/// The first generation of the next allocator.
static NEXT_FIRST_GENERATION: AtomicU32 = AtomicU32::new(0);

/// How far apart they are: by the golden ratio, however many come they divide all numbers evenly (D.
/// E. Knuth, *The Art of Computer Programming* 3, 6.4).
const APART: u32 = 0x9e37_79b9;

impl Default for Blocks {
    fn default() -> Self {
        let nowhere = Extent::between(Addr::default(), Addr::default());
        let block = Block::spanning(nowhere, ArenaIndex(0), ReservationIndex(0), 0);
        // What lies at `BlockIndex::NONE`.
        let none = Block { state: State::Serving, ..block };
        let first_generation = NEXT_FIRST_GENERATION.fetch_add(APART, Ordering::Relaxed);
        Self { all: vec![none], vacant: Vec::new(), first_generation }
    }
}

impl Blocks {
    /// A free block without memory that spans a fresh reservation.
    pub(super) fn span(
        &mut self,
        extent: Extent,
        arena: ArenaIndex,
        reservation: ReservationIndex,
        bare: u32,
    ) -> BlockIndex {
        self.put(Block::spanning(extent, arena, reservation, bare))
    }

    fn put(&mut self, mut block: Block) -> BlockIndex {
        if let Some(at) = self.vacant.pop() {
            block.generation = self[at].generation.wrapping_add(1);
            self[at] = block;
            return at;
        }
        let at = BlockIndex(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        block.generation = self.first_generation;
        self.all.push(block);
        at
    }

    /// Cuts a block in two; the part from `size` on is a new block behind it, alike but for its
    /// extent.
    pub(super) fn cut(&mut self, at: BlockIndex, size: Bytes) -> BlockIndex {
        let block = &self[at];
        let rest =
            Block { addr: block.addr + size, size: block.size - size, prev: at, ..block.clone() };
        let behind = rest.next;
        let rest = self.put(rest);
        self[behind].prev = rest;
        let block = &mut self[at];
        block.size = size;
        block.next = rest;
        rest
    }

    /// Lets a block take in the one right behind it.
    pub(super) fn absorb_next(&mut self, at: BlockIndex) {
        let next = self[at].next;
        let (size, behind, bare, freed) =
            (self[next].size, self[next].next, self[next].bare, self[next].freed);
        let block = &mut self[at];
        block.size += size;
        block.bare += bare;
        block.freed = block.freed.max(freed);
        block.next = behind;
        self[behind].prev = at;
        self.retire(next);
    }

    /// Forgets a block that is part of no reservation any more.
    pub(super) fn retire(&mut self, at: BlockIndex) {
        debug_assert_ne!(at, BlockIndex::NONE, "what stands for no block stays");
        // A name of the block must not fit what comes to this place.
        self[at].generation = self[at].generation.wrapping_add(1);
        self[at].state = State::Gone;
        self.vacant.push(at);
    }

    /// Puts a block into the program's hands.
    pub(super) fn hand_out(&mut self, at: BlockIndex, requested: Bytes) -> BlockId {
        let block = &mut self[at];
        block.state = State::Held;
        block.requested = requested;
        block.generation = block.generation.wrapping_add(1);
        BlockId { at, generation: block.generation }
    }

    /// The block of this name, where the program has it.
    pub(super) fn held(&self, id: BlockId) -> Option<BlockIndex> {
        let block = self.all.get(id.at.index())?;
        (block.generation == id.generation && block.state == State::Held).then_some(id.at)
    }

    /// A block and those behind it, to the end of their reservation.
    pub(super) fn from(&self, first: BlockIndex) -> impl Iterator<Item = BlockIndex> {
        std::iter::successors(first.some(), |&at| self[at].next.some())
    }
}

impl Index<BlockIndex> for Blocks {
    type Output = Block;

    fn index(&self, at: BlockIndex) -> &Block {
        &self.all[at.index()]
    }
}

impl IndexMut<BlockIndex> for Blocks {
    fn index_mut(&mut self, at: BlockIndex) -> &mut Block {
        &mut self.all[at.index()]
    }
}
