//! An arena: the free blocks that requests of one stream from one pool may have.

use std::ops::{Index, IndexMut};

use gapless_device::EventId;
use gapless_units::{Addr, Bytes, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::block::Block;
use super::names::{ArenaIndex, At};
use crate::ordered::Ordered;

/// All arenas of an allocator.
#[derive(Clone, Debug, Default)]
pub(super) struct Arenas {
    arenas: Vec<Arena>,
    by_name: FxHashMap<(PoolId, StreamId), ArenaIndex>,
    /// The one asked for last, which most often is the one asked for next.
    latest: Option<((PoolId, StreamId), ArenaIndex)>,
}

impl Arenas {
    /// The arena of a stream and pool, a new one where it is the first time.
    #[inline]
    pub(super) fn of(&mut self, pool: PoolId, stream: StreamId) -> ArenaIndex {
        let name = (pool, stream);
        if let Some((latest, index)) = self.latest
            && latest == name
        {
            return index;
        }
        let next = ArenaIndex(u32::try_from(self.arenas.len()).unwrap_or(u32::MAX));
        let index = *self.by_name.entry(name).or_insert(next);
        if index == next {
            self.arenas.push(Arena::new(stream, pool));
        }
        self.latest = Some((name, index));
        index
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = ArenaIndex> + use<> {
        (0..).map(ArenaIndex).take(self.arenas.len())
    }
}

impl Index<ArenaIndex> for Arenas {
    type Output = Arena;

    fn index(&self, index: ArenaIndex) -> &Arena {
        &self.arenas[index.0 as usize]
    }
}

impl IndexMut<ArenaIndex> for Arenas {
    fn index_mut(&mut self, index: ArenaIndex) -> &mut Arena {
        &mut self.arenas[index.0 as usize]
    }
}

/// The order of search: by size, equal ones by address.
fn key(size: Bytes, addr: Addr) -> u128 {
    u128::from(size.get()) << 64 | u128::from(addr.get())
}

/// The blocks of one stream and pool.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
    /// Free blocks with memory under all of their frames.
    ready: Ordered<u128, At>,
    /// Free blocks with memory under some or none of their frames.
    holey: Ordered<u128, At>,
    /// Work queued up to this time, on the allocator's clock, is done.
    pub(super) settled: u64,
    /// An event that says so for a later time.
    pub(super) checkpoint: Option<(EventId, u64)>,
}

impl Arena {
    fn new(stream: StreamId, pool: PoolId) -> Self {
        Self {
            stream,
            pool,
            ready: Ordered::default(),
            holey: Ordered::default(),
            settled: 0,
            checkpoint: None,
        }
    }

    fn set_of(&mut self, block: &Block) -> &mut Ordered<u128, At> {
        if block.holes == 0 { &mut self.ready } else { &mut self.holey }
    }

    pub(super) fn insert(&mut self, block: &Block, at: At) {
        self.set_of(block).insert(key(block.size, block.addr), at);
    }

    pub(super) fn remove(&mut self, block: &Block) {
        self.set_of(block).remove(key(block.size, block.addr));
    }

    /// Whether a free block is in the books.
    pub(super) fn has(&self, block: &Block, at: At) -> bool {
        let set = if block.holes == 0 { &self.ready } else { &self.holey };
        set.get(set.at_least(key(block.size, block.addr))).is_some_and(|entry| entry.value == at)
    }

    /// The smallest free block of at least this size that needs no memory.
    pub(super) fn best_ready(&self, size: Bytes) -> Option<(Bytes, At)> {
        Self::first(&self.ready, size)
    }

    /// The smallest free block of at least this size that lacks memory.
    pub(super) fn best_holey(&self, size: Bytes) -> Option<(Bytes, At)> {
        Self::first(&self.holey, size)
    }

    fn first(set: &Ordered<u128, At>, size: Bytes) -> Option<(Bytes, At)> {
        let entry = set.get(set.at_least(key(size, Addr::default())))?;
        let size = u64::try_from(entry.key >> 64).unwrap_or(u64::MAX);
        Some((Bytes::new(size), entry.value))
    }

    /// Every free block of at least this size that lacks memory, the smallest first.
    pub(super) fn all_holey(&self, size: Bytes) -> impl Iterator<Item = At> {
        self.holey.from(self.holey.at_least(key(size, Addr::default()))).map(|entry| entry.value)
    }

    /// Every free block of at least this size, in no order that means anything.
    pub(super) fn all_free(&self, size: Bytes) -> impl Iterator<Item = At> {
        let least = key(size, Addr::default());
        let ready = self.ready.from(self.ready.at_least(least)).map(|entry| entry.value);
        ready.chain(self.all_holey(size))
    }

    /// How many free blocks there are.
    pub(super) fn free_count(&self) -> usize {
        self.ready.values().count() + self.holey.values().count()
    }
}
