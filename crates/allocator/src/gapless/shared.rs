//! The gapless allocator for several threads.
//!
//! ```text
//!   a thread ──► its front ──► hand out           a lock that nobody else takes,
//!                   │ miss                        but to empty the front
//!                   ▼
//!                 the books ──► hand out          one lock, out of hand while
//!                   │                             the device maps, waits or creates
//!                   ▼
//!                 the device                      the thread's own handle of it
//! ```
//!
//! Each thread has a [`ThreadFront`]: blocks of up to 256 KiB that it gave back last, for its next
//! requests of these sizes. A request that is served there, and a free that ends there, touch
//! nothing that other threads use. Whoever runs short of pages empties all fronts first. While a
//! program does not come to rest, or follows a plan, all fronts are shut, so that the books see all it
//! asks for.
//!
//! Locks are taken in one order: the books, then a front. Nobody who has a front in hand asks for
//! the books.

mod block;
mod kept;
mod in_hand;
#[cfg(test)]
mod tests;

use std::fmt;

use gapless_device::{Device, DeviceError, SharedDevice};
use gapless_trace::{FinalSegment, Recording};
use gapless_units::{Bytes, Extent, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::books::Books;
use super::endings::{end_pool, end_stream};
use super::hold::Hold;
use super::invariants::BrokenInvariant;
use super::knob::Slack;
use super::ladder::acquire;
use super::names::ArenaIndex;
use super::page_size::PageSize;
use super::request::{REQUEST_LIMIT, rounded};
use super::sync::{Arc, Mutex};
use super::trim::trim;
use crate::failure::{AllocationError, FreeError};
use crate::observer::Observer;
use crate::statistics::Statistics;
use crate::usage::Usage;
use in_hand::{InHand, SharedBooks, lock};
use kept::{Kept, Parcel};

pub use block::{Block, NotFreed};

/// Blocks up to this size are kept by the threads that gave them back. What all of them keep
/// counts as alive, so it is little: 4 MiB a thread at most.
const KEPT: Bytes = Bytes::new(256 << 10);

/// The allocator that does not fragment, for several threads. Clones are the same allocator.
///
/// `D` is a [`SharedDevice`]: its clones are the same device. An observer that
/// [listens](Observer::LISTENS) is told of every request and free in order, so that no thread can
/// serve itself. Dropping the last clone gives nothing back to the device;
/// [`SharedAllocator::trim`] before gives back what is free.
pub struct SharedAllocator<D, O = ()> {
    books: Arc<SharedBooks<O>>,
    device: D,
}

impl<D: Clone, O> Clone for SharedAllocator<D, O> {
    fn clone(&self) -> Self {
        Self { books: Arc::clone(&self.books), device: self.device.clone() }
    }
}

impl<D, O> fmt::Debug for SharedAllocator<D, O> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedAllocator").finish_non_exhaustive()
    }
}

/// A thread's own way to a [`SharedAllocator`]. What it kept goes back when it is dropped.
pub struct ThreadFront<D: Device, O: Observer = ()> {
    books: Arc<SharedBooks<O>>,
    device: D,
    kept: Arc<Mutex<Kept>>,
    arenas: FxHashMap<(PoolId, StreamId), ArenaIndex>,
    /// How many pools and streams were over when that was last emptied.
    ends: u64,
}

impl<D: Device, O: Observer> fmt::Debug for ThreadFront<D, O> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ThreadFront").finish_non_exhaustive()
    }
}

impl<D: SharedDevice, O: Observer> SharedAllocator<D, O> {
    /// An allocator that holds nothing yet, over a device whose granules are a power of two. Panics
    /// where they are not.
    pub fn new(device: D, slack: Slack, observer: O) -> Self {
        Self::with_pages(device, PageSize::SMALLEST, slack, observer)
    }

    /// The same with pages of another size, as [`crate::GaplessAllocator::with_pages`] says.
    pub fn with_pages(device: D, page: PageSize, slack: Slack, observer: O) -> Self {
        let page = page.over(device.granule());
        let books = SharedBooks::new(Books::new(page, slack, observer));
        Self { books: Arc::new(books), device }
    }

    /// A way to the allocator for one thread.
    pub fn front(&self) -> ThreadFront<D, O> {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut state = self.books.state();
        let ends = state.ends;
        *lock(&kept) = Kept { is_shut: state.are_shut, ends, ..Kept::default() };
        state.fronts.push(Arc::clone(&kept));
        drop(state);
        ThreadFront {
            books: Arc::clone(&self.books),
            device: self.device.clone(),
            kept,
            arenas: FxHashMap::default(),
            ends,
        }
    }

    fn hold<T>(&self, work: impl FnOnce(&mut InHand<'_, D, O>) -> T) -> T {
        work(&mut InHand::new(&self.books, &mut self.device.clone()))
    }

    /// Gives free pages back until no more than `keep` is reserved, those that are free longest
    /// first, and addresses in which nothing lives. Waits for all work on the streams it serves, and
    /// on others that still use blocks which were freed. What is pinned or lies in a private pool
    /// that goes on stays.
    pub fn trim(&self, keep: Bytes) -> Result<(), DeviceError> {
        self.hold(|hold| trim(hold, keep))
    }

    /// Frees what waited for work that is done by now.
    pub fn process_events(&self) -> Result<(), DeviceError> {
        self.hold(|hold| {
            let (books, device) = hold.parts();
            books.finish_frees(device)
        })
    }

    /// Keeps the pages under a block where they are, also after the block was given back: for
    /// memory that was exported, registered or captured. The addresses serve other requests once
    /// the block is given back, so it is held for as long as others need what is in it. Fails for a
    /// block of another allocator.
    pub fn pin(&self, block: &Block) -> Result<Extent, FreeError> {
        if block.books != self.books.name {
            return Err(FreeError::NotAllocated);
        }
        Ok(self.books.state().books.pin(block.at))
    }

    /// Ends a pin: what [`SharedAllocator::pin`] answered, once for each. Says whether there was
    /// one.
    pub fn unpin(&self, pinned: Extent) -> bool {
        self.books.state().books.table.unpin(pinned)
    }

    /// Lets the pages of a private pool move from now on, as
    /// [`end_pool`](crate::GaplessAllocator::end_pool) of the other allocator says.
    pub fn end_pool(&self, pool: PoolId) {
        self.hold(|hold| end_pool(hold, pool));
    }

    /// Tells that a stream is about to be destroyed, as
    /// [`end_stream`](crate::GaplessAllocator::end_stream) of the other allocator says. No thread may
    /// ask for blocks of it meanwhile, and blocks whose use on it was told have to be given back before:
    /// each knows the streams that use it, and asks about them when it is given back.
    pub fn end_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.hold(|hold| end_stream(hold, stream))
    }

    /// Bytes held from the device.
    pub fn reserved(&self) -> Bytes {
        self.books.state().books.reserved
    }

    /// Keeps another amount of memory beyond what is alive from now on.
    pub fn set_slack(&self, slack: Slack) {
        self.books.state().books.slack = slack;
    }

    /// What it holds, in short.
    pub fn usage(&self) -> Usage {
        Usage::of(&self.statistics(), self.stalls())
    }

    /// How often a request waited for the device.
    pub fn stalls(&self) -> u64 {
        self.books.state().books.stalls
    }

    /// What it counts, under PyTorch's names. Peaks take what threads keep in their fronts for
    /// allocated, which is 4 MiB a thread at most.
    pub fn statistics(&self) -> Statistics {
        let state = self.books.state();
        // All at once: between two looks a block might go from one thread to another.
        let fronts: Vec<_> = state.fronts.iter().map(|kept| lock(kept)).collect();
        let mut tally = state.of_gone_fronts;
        for kept in &fronts {
            tally.add(&kept.tally);
        }
        let mut counts = state.books.counts;
        tally.add_to(&mut counts);
        state.books.statistics_with(&counts)
    }

    /// Takes the present for the peaks in [`SharedAllocator::statistics`] and in
    /// [`SharedAllocator::usage`] (`torch.cuda.reset_peak_memory_stats`).
    pub fn reset_peaks(&self) {
        let mut state = self.books.state();
        // What threads keep would count as allocated.
        state.clear_fronts();
        state.books.reset_peaks();
    }

    /// Every run of frames with memory, as an expandable segment with its blocks, by address. What was
    /// asked for in a block of up to 256 KiB may be what was asked for in it once before.
    pub fn segments(&self) -> Vec<FinalSegment> {
        let mut state = self.books.state();
        state.clear_fronts();
        state.books.segments()
    }

    /// A recording of the allocator, to be explained, written as a snapshot, or replayed: its
    /// segments as they are, and all that happened, where the observer is a
    /// [`Recorder`](crate::Recorder). Without one the only event is the request that failed last:
    /// ask at once, since what other threads do meanwhile is not told.
    pub fn recording(&self) -> Recording {
        let mut state = self.books.state();
        state.clear_fronts();
        state.books.recording(state.books.last_failure())
    }

    /// Lets somebody look at who is told what happens, and change it. All requests wait meanwhile; a
    /// request of `work`'s own would wait for ever.
    pub fn with_observer<T>(&self, work: impl FnOnce(&mut O) -> T) -> T {
        work(&mut self.books.state().books.observer)
    }

    /// Looks at everything that is true of a sound allocator while no request is being served.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.books.state().books.check_invariants()
    }
}

impl<D: Device, O: Observer> ThreadFront<D, O> {
    /// A block of at least `size` bytes for work on `stream`.
    ///
    /// Fails where the device has not enough memory even after everything free was used, with
    /// the bytes that were missing, or where the device itself fails.
    pub fn allocate(&mut self, size: Bytes, stream: StreamId) -> Result<Block, AllocationError> {
        self.allocate_in(PoolId::DEFAULT, size, stream)
    }

    /// The same; where memory runs out, `make_room` is told how many bytes are missing and may free
    /// blocks. As long as it says that it did, the request is made again; each time that it fails
    /// counts as a failure.
    pub fn allocate_or(
        &mut self,
        size: Bytes,
        stream: StreamId,
        mut make_room: impl FnMut(&mut Self, Bytes) -> bool,
    ) -> Result<Block, AllocationError> {
        loop {
            match self.allocate(size, stream) {
                Err(error) if error.missing().is_some_and(|bytes| make_room(self, bytes)) => {}
                answer => return answer,
            }
        }
    }

    /// A block from a private pool.
    pub fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Block, AllocationError> {
        let rounded = rounded(size);
        let arena = self.arena(pool, stream);
        if rounded <= KEPT && !O::LISTENS {
            let mut kept = lock(&self.kept);
            if !kept.is_shut
                && kept.ends == self.ends
                && let Some(parcel) = kept.front.take(arena, rounded)
            {
                kept.tally.hand_out(rounded, size);
                drop(kept);
                return Ok(block(parcel, arena, size, self.books.name));
            }
        }
        self.serve_miss(pool, stream, rounded, size)
    }

    /// A block where this thread keeps none of this size.
    // Kept out of the way of requests that find one.
    #[inline(never)]
    fn serve_miss(
        &mut self,
        pool: PoolId,
        stream: StreamId,
        rounded: Bytes,
        size: Bytes,
    ) -> Result<Block, AllocationError> {
        let name = self.books.name;
        let mut hold = InHand::new(&self.books, &mut self.device);
        // What this thread takes for the arena of a name may be another's by now.
        if hold.ends() != self.ends {
            self.arenas.clear();
            self.ends = hold.ends();
        }
        let find = || hold.books().arenas.of(pool, stream);
        let arena = *self.arenas.entry((pool, stream)).or_insert_with(find);
        if REQUEST_LIMIT <= size {
            let (books, device) = hold.parts();
            return Err(books.too_large(device, size, size, arena));
        }
        let ready = hold.books().take_shelved(arena, rounded);
        let at = if let Some(at) = ready {
            at
        } else {
            hold.books().arenas[arena].asking += 1;
            let acquired = acquire(&mut hold, arena, rounded, size);
            hold.books().arenas[arena].asking -= 1;
            let at = acquired?;
            hold.books().serving -= 1;
            at
        };
        hold.books().hand_out(at, size);
        hold.shut_or_open_fronts();
        let books = hold.books();
        let parcel = Parcel { at, extent: books.blocks[at].extent() };
        Ok(block(parcel, arena, size, name))
    }

    /// Takes a block back. It is free again once every stream that used it is done. Where the
    /// device fails, the program has it as before.
    pub fn free(&mut self, block: Block) -> Result<(), NotFreed> {
        if block.books != self.books.name {
            return Err(NotFreed { block, reason: FreeError::NotAllocated });
        }
        let size = block.extent.size();
        if KEPT < size || O::LISTENS || !block.uses.is_empty() {
            return self.free_to_books(block);
        }
        let parcel = Parcel { at: block.at, extent: block.extent };
        let mut kept = lock(&self.kept);
        if kept.is_shut {
            drop(kept);
            return self.free_to_books(block);
        }
        if kept.front.is_full() {
            // The books come first, so that whoever is short finds each block here or there.
            drop(kept);
            let mut state = self.books.state();
            kept = lock(&self.kept);
            if kept.is_shut {
                drop(kept);
                drop(state);
                return self.free_to_books(block);
            }
            let Kept { front, tally, .. } = &mut *kept;
            if let Some(oldest) = front.take_oldest() {
                state.take_in(tally, oldest);
            }
        }
        kept.tally.take_back(size, block.requested);
        let rejected = kept.front.put(block.arena, size, parcel);
        debug_assert!(rejected.is_none(), "there is room, and small sizes can be counted");
        Ok(())
    }

    fn free_to_books(&mut self, block: Block) -> Result<(), NotFreed> {
        let mut hold = InHand::new(&self.books, &mut self.device);
        let (books, device) = hold.parts();
        for &stream in &block.uses {
            books.note_use(block.at, stream);
        }
        if books.blocks[block.at].used_elsewhere
            && let Err(error) = books.free_later(device, block.at)
        {
            return Err(NotFreed { block, reason: error.into() });
        }
        // The books may know what was asked for in it before a thread kept it.
        let counted = books.blocks[block.at].requested;
        lock(&self.kept).tally.correct(counted, block.requested);
        books.take_back(block.at);
        Ok(())
    }

    /// What this thread takes for the arena of a name, until it learns of an end.
    fn arena(&mut self, pool: PoolId, stream: StreamId) -> ArenaIndex {
        let books = &self.books;
        let find = || books.state().books.arenas.of(pool, stream);
        *self.arenas.entry((pool, stream)).or_insert_with(find)
    }
}

impl<D: Device, O: Observer> Drop for ThreadFront<D, O> {
    fn drop(&mut self) {
        let mut state = self.books.state();
        state.fronts.retain(|front| !Arc::ptr_eq(front, &self.kept));
        let mut kept = lock(&self.kept);
        let Kept { front, tally, .. } = &mut *kept;
        while let Some(parcel) = front.take_oldest() {
            state.take_in(tally, parcel);
        }
        state.of_gone_fronts.add(tally);
    }
}

fn block(parcel: Parcel, arena: ArenaIndex, requested: Bytes, books: u64) -> Block {
    Block { at: parcel.at, arena, extent: parcel.extent, requested, uses: Vec::new(), books }
}
