//! What is tried when no shelf has the block: every step that needs no wait before any that does.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, PoolId, StreamId};

use super::GaplessAllocator;
use super::names::{ArenaIndex, At};
use super::supply::Refusal;
use crate::failure::AllocationError;
use crate::observer::{Happening, Observer};

/// Something that can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Awaited {
    /// Work that still uses a block given back: the first on this stream.
    Use(StreamId),
    /// Work on the stream of an arena that has free pages.
    Arena(ArenaIndex),
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// A block of exactly `rounded` bytes that is in no book.
    pub(super) fn acquire(
        &mut self,
        arena: ArenaIndex,
        rounded: Bytes,
        requested: Bytes,
    ) -> Result<At, AllocationError> {
        self.clear_shelves(arena);
        match self.take_best(arena, rounded) {
            Ok(at) => return Ok(at),
            Err(refusal) => pages_short(refusal)?,
        };
        self.clear_all_shelves();
        let short = loop {
            let short = match self.take_best(arena, rounded) {
                Ok(at) => return Ok(at),
                Err(refusal) => pages_short(refusal)?,
            };
            let need = Bytes::new(short * self.table.page_size.get());
            let Some(awaited) = self.smallest_sufficient(arena, need) else {
                break short;
            };
            self.wait_for(awaited)?;
            // What the wait freed may fit as it is, so everything is searched again.
            self.clear_all_shelves();
        };
        let tried = Bytes::new(short * self.table.page_size.get());
        let book = &self.arenas[arena];
        let (pool, stream) = (book.pool, book.stream);
        Err(self.out_of_memory(requested, rounded, tried, pool, stream))
    }

    /// What to wait for: the least that frees enough, or else the most.
    fn smallest_sufficient(&self, arena: ArenaIndex, need: Bytes) -> Option<Awaited> {
        let mut gains: Vec<(Bytes, Awaited)> = Vec::new();
        for (stream, at) in self.deferred.heads() {
            gains.push((self.blocks[at].size, Awaited::Use(stream)));
        }
        for index in self.arenas.indices() {
            let settled = self.arenas[index].settled;
            let unsettled = self.movable.iter().filter(|&&(freed, at)| {
                index != arena && self.blocks[at].arena == index && settled < freed
            });
            // A request that failed may have left pages spare that lay free in this arena.
            let spare = self.table.spare.iter().filter(|&&page| {
                let last_use = self.table.page(page).map(|page| page.last_use);
                last_use
                    .is_some_and(|(last, until)| index != arena && last == index && settled < until)
            });
            let spare = spare.map(|_| self.table.page_size).sum::<Bytes>();
            let gain = spare + unsettled.map(|&(_, at)| self.blocks[at].size).sum();
            if !gain.is_zero() {
                gains.push((gain, Awaited::Arena(index)));
            }
        }
        let sufficient = gains.iter().filter(|(gain, _)| need <= *gain).min();
        sufficient.or_else(|| gains.iter().max()).map(|&(_, awaited)| awaited)
    }

    fn wait_for(&mut self, awaited: Awaited) -> Result<(), DeviceError> {
        self.stalls += 1;
        match awaited {
            Awaited::Use(stream) => self.wait_for_first(stream),
            Awaited::Arena(arena) => self.wait_for_arena(arena),
        }
    }

    /// Counts and tells a failure.
    pub(super) fn out_of_memory(
        &mut self,
        requested: Bytes,
        rounded: Bytes,
        tried: Bytes,
        pool: PoolId,
        stream: StreamId,
    ) -> AllocationError {
        let device_free = self.device.memory().free;
        self.statistics.num_ooms += 1;
        self.observer.observe(Happening {
            action: Action::OutOfMemory,
            addr: Addr::new(device_free.get()),
            size: rounded,
            stream,
            pool,
        });
        AllocationError::OutOfMemory { requested, rounded, tried, device_free, limit: None }
    }
}

/// How many pages a refusal lacks; the error where it is the device's.
fn pages_short(refusal: Refusal) -> Result<u64, AllocationError> {
    match refusal {
        Refusal::Short(short) => Ok(short),
        // A frame is in the way, not a page; whatever is waited for may end the work on it.
        Refusal::Busy => Ok(1),
        Refusal::Device(error) => Err(error.into()),
    }
}
