//! An arena: the free blocks that requests of one stream from one pool may have.
//!
//! An arena whose pool or stream is over is there until nothing lies in it. A new stream of the name
//! takes over what is there, since all work of the old one is done. A new pool of the name gets arenas
//! of its own: what is left of the old one serves others.

use std::ops::{Index, IndexMut};

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::{PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::bins::Bins;
use super::known::KnownPlaces;
use super::names::ArenaIndex;
use super::planner::Planner;
use super::time::Time;

/// All arenas of an allocator.
#[derive(Debug, Default)]
pub(super) struct Arenas {
    all: Vec<Arena>,
    /// Places of arenas that are gone.
    vacant: Vec<ArenaIndex>,
    by_name: FxHashMap<(PoolId, StreamId), ArenaIndex>,
    /// The one asked for last, which most often is the one asked for next.
    latest: Option<((PoolId, StreamId), ArenaIndex)>,
}

impl Arenas {
    /// The arena of a stream and pool; a new one where it is the first time, if the device has the stream.
    #[inline]
    pub(super) fn find(
        &mut self,
        device: &impl Device,
        pool: PoolId,
        stream: StreamId,
    ) -> Result<ArenaIndex, DeviceError> {
        match self.latest {
            Some((name, latest)) if name == (pool, stream) => Ok(latest),
            Some(_) | None => self.look_up(device, pool, stream),
        }
    }

    // Kept out of the way of requests that ask for the latest.
    #[inline(never)]
    fn look_up(
        &mut self,
        device: &impl Device,
        pool: PoolId,
        stream: StreamId,
    ) -> Result<ArenaIndex, DeviceError> {
        let known = self.by_name.get(&(pool, stream));
        if known.is_none_or(|&index| self[index].stream_is_over) {
            device.check_stream(stream)?;
        }
        Ok(self.of(pool, stream))
    }

    /// The arena of a stream and pool, a new one where it is the first time.
    pub(super) fn of(&mut self, pool: PoolId, stream: StreamId) -> ArenaIndex {
        let name = (pool, stream);
        let index = match self.by_name.get(&name) {
            Some(&index) => index,
            None => self.add(name),
        };
        self[index].stream_is_over = false;
        self.latest = Some((name, index));
        index
    }

    fn add(&mut self, (pool, stream): (PoolId, StreamId)) -> ArenaIndex {
        let behind = ArenaIndex(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        let index = self.vacant.pop().unwrap_or(behind);
        if index == behind {
            self.all.push(Arena::new(stream, pool, Time::START));
        } else {
            // All that was used in the arena before is done.
            self[index] = Arena::new(stream, pool, self[index].settled);
        }
        self.by_name.insert((pool, stream), index);
        index
    }

    /// Takes in that a pool is over.
    pub(super) fn end_pool(&mut self, pool: PoolId) {
        let own = self.all.iter_mut().filter(|arena| arena.pool == pool);
        own.for_each(|arena| arena.pool_is_over = true);
        self.latest = None;
        self.by_name.retain(|&(other, _), _| other != pool);
    }

    /// Takes in that a stream is over, all of whose work is done.
    pub(super) fn end_stream(&mut self, stream: StreamId) {
        let own = self.all.iter_mut().filter(|arena| arena.stream == stream);
        own.for_each(|arena| arena.stream_is_over = true);
        self.latest = None;
    }

    /// Forgets an arena that is over, and in which nothing lies that work may still use.
    pub(super) fn remove(&mut self, index: ArenaIndex, now: Time) {
        let Arena { stream, pool, .. } = self[index];
        if self.by_name.get(&(pool, stream)) == Some(&index) {
            self.by_name.remove(&(pool, stream));
        }
        // A page may have been used there last, and the stream is none to ask about.
        let (stream_is_over, is_gone) = (true, true);
        self[index] = Arena { stream_is_over, is_gone, ..Arena::new(stream, pool, now) };
        self.vacant.push(index);
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
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) stream: StreamId,
    pub(super) pool: PoolId,
    pub(super) free: Bins,
    pub(super) known: KnownPlaces,
    pub(super) planner: Planner,
    /// Work queued up to this time is done.
    pub(super) settled: Time,
    /// An event that says so for a later time.
    pub(super) checkpoint: Option<(EventId, Time)>,
    /// Whether its pages may move although its pool is a private one.
    pub(super) pool_is_over: bool,
    /// Whether the device may not be asked about its stream any more. All work of it is done.
    pub(super) stream_is_over: bool,
    /// Whether only its place is left, for another.
    pub(super) is_gone: bool,
    /// How many requests are about to be served here, where others may end it meanwhile.
    pub(super) asking: u32,
}

impl Arena {
    /// Whether it can go as soon as nothing lies in it.
    pub(super) fn may_go(&self) -> bool {
        let is_over = self.pool_is_over || self.stream_is_over;
        is_over && self.asking == 0 && !self.is_gone
    }

    fn new(stream: StreamId, pool: PoolId, settled: Time) -> Self {
        Self {
            stream,
            pool,
            free: Bins::default(),
            known: KnownPlaces::default(),
            planner: Planner::default(),
            settled,
            checkpoint: None,
            pool_is_over: false,
            stream_is_over: false,
            is_gone: false,
            asking: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Locked, Sim, SimSetup};
    use gapless_units::Bytes;

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};
    use crate::{AllocationError, FreeError, SharedAllocator};

    const GONE: StreamId = StreamId(7);

    fn device() -> Sim {
        let mut sim = Sim::new(SimSetup::new(Bytes::gib(1)));
        sim.destroy_stream(GONE);
        sim
    }

    /// What is refused leaves nothing behind that the device would be asked about later.
    #[test]
    fn a_stream_that_is_not_there_is_refused_at_once() {
        let mut it = GaplessAllocator::new(device(), Slack::NONE, ());
        let size = Bytes::mib(4);
        let refused = it.allocate(size, GONE);
        assert!(matches!(refused, Err(AllocationError::Device(_))), "{refused:?}");
        assert!(it.allocate(Bytes::new(u64::MAX), StreamId(8)).is_err());
        assert_eq!(it.books.arenas.indices().count(), 0);
        let block = it.allocate(size, StreamId(1)).unwrap();
        it.begin_capture();
        assert!(matches!(it.record_stream(block, GONE), Err(FreeError::Device(_))));
        assert_eq!(it.free(block), Ok(()));
        assert_eq!(it.end_capture(), Ok(()));
        assert!(it.allocate(Bytes::mib(900), StreamId(2)).is_ok());
        assert_eq!(it.trim(Bytes::ZERO), Ok(()));
        it.device.make_stream(GONE);
        assert!(it.allocate(size, GONE).is_ok());
    }

    #[test]
    fn threads_are_refused_it_as_well() {
        let allocator = SharedAllocator::new(Locked::new(device()), Slack::NONE, ());
        let mut it = allocator.front();
        assert!(matches!(it.allocate(Bytes::mib(4), GONE), Err(AllocationError::Device(_))));
        let mut block = it.allocate(Bytes::mib(4), StreamId(1)).unwrap();
        block.record_stream(GONE);
        let kept = it.free(block).unwrap_err();
        assert!(matches!(kept.reason, FreeError::Device(_)));
        assert!(it.allocate(Bytes::mib(900), StreamId(2)).is_ok());
    }
}
