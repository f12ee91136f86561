//! An arena: the free blocks that requests of one stream from one pool may have.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

use gapless_device::EventId;
use gapless_units::{Addr, Bytes, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::block::Block;
use super::names::{ArenaIndex, At};

/// All arenas of an allocator.
#[derive(Clone, Debug, Default)]
pub(super) struct Arenas(Vec<Arena>);

impl Arenas {
    pub(super) fn add(&mut self, arena: Arena) -> ArenaIndex {
        self.0.push(arena);
        ArenaIndex(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = ArenaIndex> + use<> {
        (0..).map(ArenaIndex).take(self.0.len())
    }
}

impl Index<ArenaIndex> for Arenas {
    type Output = Arena;

    fn index(&self, index: ArenaIndex) -> &Arena {
        &self.0[index.0 as usize]
    }
}

impl IndexMut<ArenaIndex> for Arenas {
    fn index_mut(&mut self, index: ArenaIndex) -> &mut Arena {
        &mut self.0[index.0 as usize]
    }
}

/// A free block in the order of search.
type Key = (Bytes, Addr, At);

/// The blocks of one stream and pool.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
    /// Freed blocks as they were, by size, for the next request of that size.
    pub(super) shelves: FxHashMap<Bytes, Vec<At>>,
    /// How many blocks are shelved.
    pub(super) shelved: usize,
    /// Free blocks with memory under all of their frames.
    ready: BTreeSet<Key>,
    /// Free blocks with memory under some or none of their frames.
    holey: BTreeSet<Key>,
    /// Work queued up to this time, on the allocator's clock, is done.
    pub(super) settled: u64,
    /// An event that says so for a later time.
    pub(super) checkpoint: Option<(EventId, u64)>,
}

impl Arena {
    pub(super) fn new(stream: StreamId, pool: PoolId) -> Self {
        Self {
            stream,
            pool,
            shelves: FxHashMap::default(),
            shelved: 0,
            ready: BTreeSet::new(),
            holey: BTreeSet::new(),
            settled: 0,
            checkpoint: None,
        }
    }

    fn set_of(&mut self, block: &Block) -> &mut BTreeSet<Key> {
        if block.holes == 0 { &mut self.ready } else { &mut self.holey }
    }

    pub(super) fn insert(&mut self, block: &Block, at: At) {
        let key = (block.size, block.addr, at);
        self.set_of(block).insert(key);
    }

    pub(super) fn remove(&mut self, block: &Block, at: At) {
        let key = (block.size, block.addr, at);
        self.set_of(block).remove(&key);
    }

    /// The smallest free block of at least this size that needs no memory.
    pub(super) fn best_ready(&self, size: Bytes) -> Option<(Bytes, At)> {
        Self::first(&self.ready, size)
    }

    /// The smallest free block of at least this size that lacks memory.
    pub(super) fn best_holey(&self, size: Bytes) -> Option<(Bytes, At)> {
        Self::first(&self.holey, size)
    }

    fn first(set: &BTreeSet<Key>, size: Bytes) -> Option<(Bytes, At)> {
        let least = (size, Addr::default(), At(0));
        set.range(least..).next().map(|&(size, _, at)| (size, at))
    }

    /// Every free block of at least this size that lacks memory, the smallest first.
    pub(super) fn all_holey(&self, size: Bytes) -> impl Iterator<Item = At> {
        let least = (size, Addr::default(), At(0));
        self.holey.range(least..).map(|&(_, _, at)| at)
    }

    /// Takes every shelved block off its shelf, in an order that depends on nothing but history.
    pub(super) fn clear_shelves(&mut self) -> Vec<At> {
        let mut blocks: Vec<At> = Vec::with_capacity(self.shelved);
        #[expect(clippy::iter_over_hash_type, reason = "the blocks are sorted right after")]
        for shelf in self.shelves.values_mut() {
            blocks.append(shelf);
        }
        blocks.sort_unstable();
        self.shelved = 0;
        blocks
    }
}
