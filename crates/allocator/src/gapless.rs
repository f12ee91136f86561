//! The allocator that does not fragment.
//!
//! ```text
//!   request ──► shelf of its exact size ──► hand out
//!                    │ empty
//!                    ▼
//!        best fit among the free addresses ──► memory under all of them? ──► cut, hand out
//!                                                   │ some frames have none
//!                                                   ▼
//!             an alias whose page is free ──► within the budget: a new page
//!                 ──► the page that lies free longest, from elsewhere ──► a new page
//!                                                   │ the device has no more
//!                                                   ▼
//!        merge all shelves, finish frees ──► wait for the smallest event that suffices ──► fail
//! ```
//!
//! Addresses and memory are apart. Addresses are plenty: each stream of each pool has an *arena*
//! of reserved ranges (*territories*), cut into blocks that are merged with their free neighbors
//! and searched by best fit, down to 512 bytes. Memory comes in the device's pages; a page under
//! which nothing is alive can lie under any *frame* of addresses, so free memory is never tied to
//! a gap. What remains unusable are the free parts of pages that are partly alive.
//!
//! A page moves by being mapped under its new frame as well. The old mapping stays as an *alias*:
//! nobody waits for work that may still use the old address, and a program that repeats itself
//! finds its pages under its frames again without a call of the device.
//!
//! Rules of safety, each held by a test:
//!
//! 1. Bytes change streams only after an event of the stream that used them last.
//! 2. A frame is unmapped only after the work that used its addresses.
//! 3. A page has one active mapping at most; no byte is handed out twice.
//! 4. Pages under pinned blocks, and those of private pools, do not move.
//! 5. Each call of the device may fail; the books are as before, and no page is lost.
//! 6. After any wait the free blocks are searched again.
//!
//! Its limit: pages that are partly alive. A live block of a page or more has two of them at most;
//! smaller blocks pin pages as they would fragment any heap (J. M. Robson, "Bounds for some
//! functions concerning dynamic storage allocation", 1974).
//!
//! Not there yet: captures of graphs (keep private pools for them), and pages of other sizes.

mod names;
mod knob;
mod block;
mod pages;
mod arena;
mod free_blocks;
mod deferred;
mod supply;
mod place;
mod ladder;
mod trim;
mod snapshot;
mod invariants;

use std::collections::{BTreeMap, BTreeSet};

use gapless_device::{Device, DeviceError};
use gapless_trace::{Action, SizePool};
use gapless_units::{Addr, Bytes, Extent, MIB, PoolId, StreamId};
use rustc_hash::FxHashMap;

use crate::allocator::Allocator;
use crate::failure::{AllocationError, FreeError};
use crate::observer::{Happening, Observer};
use crate::statistics::Statistics;
use arena::{Arena, Arenas};
use block::{Blocks, State};
use deferred::Deferred;
use names::{ArenaIndex, At};
use pages::PageTable;

pub use invariants::BrokenInvariant;
pub use knob::Slack;
pub use names::BlockId;

/// Blocks begin and end at multiples of this, as PyTorch's do.
const UNIT: Bytes = Bytes::new(512);

/// Requests from this size on fail before anything is looked at.
const REQUEST_LIMIT: Bytes = Bytes::new(1 << 46);

/// Up to this size a request counts for the small pool in the statistics, as PyTorch's does.
const SMALL: Bytes = Bytes::new(MIB);

/// The allocator that does not fragment, over a device that can map pages.
///
/// Streams: a block may be used by work on its own stream at once; use on others is told with
/// [`GaplessAllocator::record_stream`]. The allocator is `Send` where its device is.
#[derive(Clone, Debug)]
pub struct GaplessAllocator<D, O = ()> {
    device: D,
    observer: O,
    slack: Slack,
    blocks: Blocks,
    table: PageTable,
    arenas: Arenas,
    arena_of: FxHashMap<(PoolId, StreamId), ArenaIndex>,
    latest: Option<((PoolId, StreamId), ArenaIndex)>,
    /// Every free block by its address.
    free: BTreeMap<Addr, At>,
    /// Free blocks with whole pages that may move, those that are free longest first.
    movable: BTreeSet<(u64, At)>,
    /// Private pools whose pages may move, because the program is done with them.
    ended: BTreeSet<PoolId>,
    deferred: Deferred,
    statistics: Statistics,
    reserved: Bytes,
    /// Bytes of blocks that are not free.
    live: Bytes,
    live_peak: Bytes,
    /// Counts frees.
    clock: u64,
    stalls: u64,
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// An allocator that holds nothing yet.
    pub fn new(device: D, slack: Slack, observer: O) -> Self {
        let page_size = device.granule();
        Self {
            device,
            observer,
            slack,
            blocks: Blocks::default(),
            table: PageTable::new(page_size),
            arenas: Arenas::default(),
            arena_of: FxHashMap::default(),
            latest: None,
            free: BTreeMap::new(),
            movable: BTreeSet::new(),
            ended: BTreeSet::new(),
            deferred: Deferred::default(),
            statistics: Statistics::default(),
            reserved: Bytes::ZERO,
            live: Bytes::ZERO,
            live_peak: Bytes::ZERO,
            clock: 0,
            stalls: 0,
        }
    }

    /// Who is told what happens.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// Who is told what happens.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// Its parts, the life of the allocator being over. What it holds from the device stays
    /// held; [`Allocator::empty_cache`] before gives back what is free.
    pub fn into_parts(self) -> (D, O) {
        (self.device, self.observer)
    }

    /// Bytes held from the device.
    pub fn reserved(&self) -> Bytes {
        self.reserved
    }

    /// Bytes of blocks that the program holds or other streams still use.
    pub fn live(&self) -> Bytes {
        self.live
    }

    /// The most of [`GaplessAllocator::live`] so far.
    pub fn live_peak(&self) -> Bytes {
        self.live_peak
    }

    /// Keeps another amount of memory beyond what is alive from now on.
    pub fn set_slack(&mut self, slack: Slack) {
        self.slack = slack;
    }

    /// A block of at least `size` bytes for work on `stream`.
    ///
    /// Fails where the device has not enough memory even after everything free was used, with
    /// the bytes that were missing, or where the device itself fails.
    pub fn allocate(&mut self, size: Bytes, stream: StreamId) -> Result<BlockId, AllocationError> {
        self.allocate_in(PoolId::DEFAULT, size, stream)
    }

    /// Keeps the pages under a block where they are, also after the block was given back: for
    /// memory that was exported, registered or captured. Fails for a block that is not held.
    pub fn pin(&mut self, block: BlockId) -> Result<Extent, FreeError> {
        let at = self.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        let (territory, extent) = (self.blocks[at].territory, self.blocks[at].extent());
        for frame in self.table.touched(territory, extent) {
            self.table.frame_mut(frame).pins += 1;
        }
        Ok(extent)
    }

    /// Ends a pin: what [`GaplessAllocator::pin`] answered, once for each. Says whether there was
    /// one.
    pub fn unpin(&mut self, pinned: Extent) -> bool {
        let mut territories = (0..).map(names::TerritoryIndex).zip(self.table.territories());
        let holder = territories.find(|(_, territory)| territory.extent.contains(pinned));
        let Some((territory, _)) = holder else { return false };
        let frames: Vec<_> = self.table.touched(territory, pinned).collect();
        if frames.is_empty() || frames.iter().any(|&frame| self.table.frame(frame).pins == 0) {
            return false;
        }
        for frame in frames {
            self.table.frame_mut(frame).pins -= 1;
        }
        true
    }

    /// Lets the pages of a private pool move from now on: nothing that was captured from it will
    /// run again.
    pub fn end_pool(&mut self, pool: PoolId) {
        let free: Vec<At> = self.free.values().copied().collect();
        let of_pool = |&at: &At| self.arenas[self.blocks[at].arena].pool == pool;
        let of_pool: Vec<At> = free.into_iter().filter(of_pool).collect();
        for &at in &of_pool {
            self.take_free(at);
        }
        self.ended.insert(pool);
        for at in of_pool {
            self.put_free(at);
        }
    }

    fn arena(&mut self, pool: PoolId, stream: StreamId) -> ArenaIndex {
        let key = (pool, stream);
        if let Some((latest, index)) = self.latest
            && latest == key
        {
            return index;
        }
        let arenas = &mut self.arenas;
        let index =
            self.arena_of.entry(key).or_insert_with(|| arenas.add(Arena::new(stream, pool)));
        let index = *index;
        self.latest = Some((key, index));
        index
    }

    /// Puts a block into the program's hands that was counted as free.
    fn hand_out(&mut self, at: At, requested: Bytes) -> BlockId {
        let id = self.blocks.hand_out(at, requested);
        let size = self.blocks[at].size;
        let kind = pool_of(size);
        self.live += size;
        self.live_peak = self.live_peak.max(self.live);
        self.statistics.allocation.increase(kind, 1);
        self.statistics.allocated_bytes.increase(kind, size.get());
        self.statistics.active.increase(kind, 1);
        self.statistics.active_bytes.increase(kind, size.get());
        self.statistics.requested_bytes.increase(kind, requested.get());
        self.tell_block(Action::Alloc, at);
        id
    }

    /// Puts a block that nobody uses any more on the shelf of its size.
    fn shelve(&mut self, at: At) {
        self.clock += 1;
        let block = &mut self.blocks[at];
        block.state = State::Shelved;
        block.freed = self.clock;
        let (size, requested, arena) = (block.size, block.requested, block.arena);
        let kind = pool_of(size);
        self.live -= size;
        self.statistics.active.decrease(kind, 1);
        self.statistics.active_bytes.decrease(kind, size.get());
        self.statistics.requested_bytes.decrease(kind, requested.get());
        self.tell_block(Action::FreeCompleted, at);
        let arena = &mut self.arenas[arena];
        arena.shelves.entry(size).or_default().push(at);
        arena.shelved += 1;
    }

    fn tell_block(&mut self, action: Action, at: At) {
        let block = &self.blocks[at];
        let arena = &self.arenas[block.arena];
        self.observer.observe(Happening {
            action,
            addr: block.addr,
            size: block.requested,
            stream: arena.stream,
            pool: arena.pool,
        });
    }
}

/// The size pool that PyTorch's statistics would count a block for.
fn pool_of(size: Bytes) -> SizePool {
    if size <= SMALL { SizePool::Small } else { SizePool::Large }
}

impl<D: Device, O: Observer> Allocator for GaplessAllocator<D, O> {
    type Device = D;
    type Block = BlockId;

    fn device(&self) -> &D {
        &self.device
    }

    fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        if self.deferred.is_waiting() {
            self.process_events()?;
        }
        if REQUEST_LIMIT <= size {
            return Err(self.out_of_memory(size, size, size, pool, stream));
        }
        let rounded = size.max(Bytes::new(1)).round_up(UNIT);
        let index = self.arena(pool, stream);
        let arena = &mut self.arenas[index];
        if let Some(at) = arena.shelves.get_mut(&rounded).and_then(Vec::pop) {
            arena.shelved -= 1;
            return Ok(self.hand_out(at, size));
        }
        let at = self.acquire(index, rounded, size)?;
        Ok(self.hand_out(at, size))
    }

    fn free(&mut self, block: BlockId) -> Result<(), FreeError> {
        let at = self.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        let is_used_elsewhere = self.blocks[at].used_elsewhere;
        if is_used_elsewhere {
            // Where that fails, the program still has the block, and nothing is told or counted.
            self.free_later(at)?;
        }
        let size = self.blocks[at].size;
        let kind = pool_of(size);
        self.statistics.allocation.decrease(kind, 1);
        self.statistics.allocated_bytes.decrease(kind, size.get());
        self.tell_block(Action::FreeRequested, at);
        if !is_used_elsewhere {
            self.shelve(at);
        }
        Ok(())
    }

    fn record_stream(&mut self, block: BlockId, stream: StreamId) -> Result<(), FreeError> {
        let at = self.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        let arena = self.blocks[at].arena;
        if self.arenas[arena].stream != stream {
            self.blocks[at].used_elsewhere = true;
            self.deferred.note_use(at, stream);
        }
        Ok(())
    }

    fn process_events(&mut self) -> Result<(), DeviceError> {
        self.finish_frees()
    }

    fn empty_cache(&mut self) -> Result<(), DeviceError> {
        self.trim(Bytes::ZERO)
    }

    fn extent(&self, block: BlockId) -> Option<Extent> {
        self.blocks.held(block).map(|at| self.blocks[at].extent())
    }

    fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn stalls(&self) -> u64 {
        self.stalls
    }
}
