//! PyTorch's caching allocator.
//!
//! ```text
//!   request ──► round ──► search the free blocks ──► cut ──► hand out
//!                              │ nothing fits
//!                              ▼
//!                  collect garbage ──► ask the device ──► lending pools
//!                      ──► oversize blocks back ──► all of the cache back ──► fail
//! ```
//!
//! Source of every rule: `c10/cuda/CUDACachingAllocator.cpp` of PyTorch 2.15.0, and of earlier
//! releases where [`Rules`] tells them apart. The allocator was compared, event by event, with
//! PyTorch's own over a stand-in device; `docs/fidelity.md` says how far.
//!
//! Not modelled: `graph_capture_record_stream_reuse`, exact-address allocation, custom allocators
//! in pools, checkpoints of private pools, and two faults of 2.15.0 in which it loses track of
//! its own memory (lowering `max_split_size_mb` at run time, and destroying a `MemPool` of
//! expandable segments); this allocator keeps its books there.

mod names;
mod hash_order;
mod rules;

mod block;
mod free_set;
mod request;
mod pool;
mod private_pool;
mod expandable;

mod search;
mod deferred;
mod release;
mod acquire;

mod adopt;
mod any;
mod follow;
mod snapshot;
mod invariants;

use gapless_device::Device;
use gapless_trace::{Action, Release, Settings, SizePool};
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use crate::failure::{AllocationError, FreeError, Shortage};
use crate::observer::{Happening, Observer};
use crate::statistics::Statistics;
use block::Blocks;
use deferred::Deferred;
use expandable::ExpandableSegments;
use names::Slot;
use pool::Pool;
use private_pool::{PrivatePool, Route};
use rules::share;

pub use adopt::{AdoptError, Adopted, AdoptedBlock};
pub use invariants::BrokenInvariant;
pub use names::BlockId;
pub use private_pool::PoolOptions;
pub use rules::{Rules, TieBreak};

/// Requests from this size on fail before anything is looked at.
const REQUEST_LIMIT: Bytes = Bytes::new(1 << 60);

/// PyTorch's caching allocator over a device.
#[derive(Clone, Debug)]
pub struct CachingAllocator<D, O = ()> {
    device: D,
    observer: O,
    rules: Rules,
    /// The most it may reserve.
    limit: Option<Bytes>,
    reserved: Bytes,
    blocks: Blocks,
    /// The default pools, then the halves of private ones.
    pools: Vec<Pool>,
    private_pools: Vec<PrivatePool>,
    routes: Vec<Route>,
    captures: u32,
    expandable: ExpandableSegments,
    /// Whether there ever was an expandable segment.
    any_expandable: bool,
    deferred: Deferred,
    statistics: Statistics,
    /// Requests that gave memory back or waited for streams before they were met or failed.
    stalls: u64,
    next_age: u32,
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// An allocator that holds nothing yet, with the rules of `release` under `settings`.
    pub fn new(device: D, settings: &Settings, release: Release, observer: O) -> Self {
        let rules = Rules::new(settings, release);
        let total = device.memory().total;
        let limit = (rules.memory_fraction < 1.0).then(|| share(rules.memory_fraction, total));
        Self {
            device,
            observer,
            rules,
            limit,
            reserved: Bytes::ZERO,
            blocks: Blocks::default(),
            pools: vec![Pool::new(SizePool::Small, None), Pool::new(SizePool::Large, None)],
            private_pools: Vec::new(),
            routes: Vec::new(),
            captures: 0,
            expandable: ExpandableSegments::default(),
            any_expandable: false,
            deferred: Deferred::default(),
            statistics: Statistics::default(),
            stalls: 0,
            next_age: 0,
        }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, to drive a simulated one.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Who is told what happens.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Who is told what happens.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Its parts, the life of the allocator being over.
    pub fn into_parts(self) -> (D, O) {
        (self.device, self.observer)
    }

    /// What PyTorch's statistics would say.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The statistics, to reset them.
    pub fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.statistics
    }

    /// Bytes held from the device.
    pub fn reserved(&self) -> Bytes {
        self.reserved
    }

    /// Follows other settings from now on; the memory fraction stays as it was at the start, as
    /// in PyTorch.
    pub fn change_settings(&mut self, settings: &Settings) {
        self.rules = Rules::new(settings, self.rules.release);
    }

    /// Limits what it may reserve to a share of the device
    /// (`torch.cuda.set_per_process_memory_fraction`); the whole device is no limit from 2.9 on.
    pub fn set_memory_fraction(&mut self, fraction: f64) {
        let limits = fraction < 1.0 || self.rules.whole_device_is_a_limit();
        self.limit = limits.then(|| share(fraction, self.device.memory().total));
    }

    /// A block of at least `size` bytes for work on `stream`, from the pool that requests of the
    /// stream are routed to. A request of no bytes gets the smallest block; PyTorch does not let
    /// one reach its allocator.
    pub fn allocate(&mut self, size: Bytes, stream: StreamId) -> Result<BlockId, AllocationError> {
        let pool = self.route_of(stream).unwrap_or(PoolId::DEFAULT);
        self.allocate_in(pool, size, stream)
    }

    /// A block of at least `size` bytes for work on `stream`, from `pool`, which is made where it
    /// is not yet there.
    pub fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        if !self.is_capturing() {
            self.process_events()?;
        }
        let request = self.request(pool, size, stream);
        if REQUEST_LIMIT <= size {
            return Err(AllocationError::OutOfMemory {
                requested: size,
                rounded: request.rounded,
                tried: size,
                device_free: self.device.memory().free,
                limit: self.limit,
                shortage: Shortage::Device,
            });
        }
        let found = match self.find(&request) {
            Some(found) => found,
            None => self.acquire_counted(&request)?,
        };
        Ok(self.hand_out(found, &request))
    }

    /// Takes a block back. It is free again once every stream that used it is done.
    pub fn free(&mut self, block: BlockId) -> Result<(), FreeError> {
        let slot = self.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        let block = &mut self.blocks[slot];
        block.allocated = false;
        let (size, requested, waits) = (block.size, block.requested, block.used_elsewhere);
        let kind = self.pools[block.pool.0 as usize].kind;
        self.statistics.allocation.decrease(kind, 1);
        self.statistics.allocated_bytes.decrease(kind, size.get());
        self.tell(Action::FreeRequested, slot, requested);
        if self.rules.is_oversize(size) {
            self.statistics.remove_oversize_allocation();
        }
        if waits {
            self.free_later(slot)?;
        } else {
            self.finish_free(slot);
        }
        Ok(())
    }

    /// Where a block lies, and how large it is: at least as asked for.
    pub fn extent(&self, block: BlockId) -> Option<Extent> {
        self.blocks.held(block).map(|slot| self.blocks[slot].extent())
    }

    /// Where a block begins.
    pub fn addr(&self, block: BlockId) -> Option<Addr> {
        self.blocks.held(block).map(|slot| self.blocks[slot].addr)
    }

    /// Lets a block absorb a neighbor that is free and mapped alike; the size of what it absorbed.
    fn merge(&mut self, into: Slot, neighbor: Slot) -> Option<Bytes> {
        let neighbor = neighbor.some()?;
        let block = &self.blocks[neighbor];
        if !block.is_usable() || block.mapped != self.blocks[into].mapped {
            return None;
        }
        let size = block.size;
        let pool = &mut self.pools[block.pool.0 as usize];
        if block.mapped {
            pool.take(&self.blocks, neighbor, self.rules.tie_break);
        } else {
            pool.shelf_mut(block.stream).unmapped.remove(&block.addr);
        }
        self.blocks.join(into, neighbor);
        Some(size)
    }

    /// Makes a block free to be handed out.
    fn put(&mut self, slot: Slot) {
        let pool = self.blocks[slot].pool;
        self.pools[pool.0 as usize].put(&mut self.blocks, slot, self.rules.tie_break);
    }

    /// Tells the observer what happened to a block.
    fn tell(&mut self, action: Action, slot: Slot, size: Bytes) {
        let block = &self.blocks[slot];
        let (addr, stream) = (block.addr, block.stream);
        let pool = self.pool_id(block.pool);
        self.observer.observe(Happening { action, addr, size, stream, pool });
    }

    fn next_age(&mut self) -> u32 {
        let age = self.next_age;
        self.next_age = self.next_age.wrapping_add(1);
        age
    }
}

/// Everything that can be asked of the device fails the same way here.
impl<D, O> CachingAllocator<D, O> {
    /// The rules it follows.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}
