//! An arena: the free blocks that requests of one stream from one pool may have.

use std::ops::{Index, IndexMut};

use gapless_device::EventId;
use gapless_units::{PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::bins::Bins;
use super::habit::Habit;
use super::known::KnownPlaces;
use super::names::ArenaIndex;

/// All arenas of an allocator.
#[derive(Clone, Debug, Default)]
pub(super) struct Arenas {
    all: Vec<Arena>,
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
        let next = ArenaIndex(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        let index = *self.by_name.entry(name).or_insert(next);
        if index == next {
            self.all.push(Arena::new(stream, pool));
        }
        self.latest = Some((name, index));
        index
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = ArenaIndex> + use<> {
        (0..).map(ArenaIndex).take(self.all.len())
    }
}

impl Index<ArenaIndex> for Arenas {
    type Output = Arena;

    fn index(&self, index: ArenaIndex) -> &Arena {
        &self.all[index.0 as usize]
    }
}

impl IndexMut<ArenaIndex> for Arenas {
    fn index_mut(&mut self, index: ArenaIndex) -> &mut Arena {
        &mut self.all[index.0 as usize]
    }
}

/// The blocks of one stream and pool.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
    pub(super) free: Bins,
    pub(super) known: KnownPlaces,
    pub(super) habit: Habit,
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
            free: Bins::default(),
            known: KnownPlaces::default(),
            habit: Habit::default(),
            settled: 0,
            checkpoint: None,
        }
    }
}
