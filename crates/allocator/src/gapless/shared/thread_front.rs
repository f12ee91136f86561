//! A thread's own way to a shared allocator.

use std::fmt;

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::block::{Block, NotFreed};
use super::in_hand::InHand;
use super::kept::{Kept, Parcel};
use super::shared_books::{SharedBooks, lock};
use crate::failure::{AllocationError, FreeError};
use crate::gapless::counts::SMALL;
use crate::gapless::hold::Hold;
use crate::gapless::ladder::acquire;
use crate::gapless::names::ArenaIndex;
use crate::gapless::request::{REQUEST_LIMIT, rounded};
use crate::gapless::room::request_or_make_room;
use crate::gapless::sync::{Arc, Mutex};
use crate::observer::Observer;

/// Blocks up to this size are kept by the threads that gave them back. What all of them keep
/// counts as alive, so it is little: 4 MiB a thread at most.
const KEPT: Bytes = Bytes::new(256 << 10);
const _: () = assert!(KEPT.get() <= SMALL.get(), "tallies are of small blocks");

/// A thread's own way to a [`SharedAllocator`](super::SharedAllocator). What it kept goes back when it is dropped.
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

impl<D: Device, O: Observer> ThreadFront<D, O> {
    /// A way to these books, with a handle of the device.
    pub(super) fn new(books: &Arc<SharedBooks<O>>, device: D) -> Self {
        let mut state = books.state();
        let ends = state.ends;
        let kept = Kept { is_shut: state.are_shut, ends, ..Kept::default() };
        let kept = Arc::new(Mutex::new(kept));
        state.fronts.push(Arc::clone(&kept));
        drop(state);
        Self { books: Arc::clone(books), device, kept, arenas: FxHashMap::default(), ends }
    }

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
        make_room: impl FnMut(&mut Self, Bytes) -> bool,
    ) -> Result<Block, AllocationError> {
        request_or_make_room(self, |it| it.allocate(size, stream), make_room)
    }

    /// A block from a private pool. Fails as [`ThreadFront::allocate`] does.
    pub fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Block, AllocationError> {
        if REQUEST_LIMIT <= size {
            let mut hold = InHand::new(&self.books, &mut self.device);
            let (books, device) = hold.parts();
            return Err(books.too_large(device, size, size, (pool, stream)));
        }
        let rounded = rounded(size);
        let arena = self.arena(pool, stream)?;
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
        let (books, device) = hold.parts();
        let arena = books.arenas.find(device, pool, stream)?;
        self.arenas.insert((pool, stream), arena);
        let ready = hold.books().take_shelved(arena, rounded);
        let at = if let Some(at) = ready {
            at
        } else {
            hold.books().arenas[arena].asking += 1;
            let acquired = acquire(&mut hold, arena, rounded, size);
            hold.books().arenas[arena].asking -= 1;
            let at = acquired?;
            hold.books().end_serving(at);
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
        let known = block.uses.iter().try_for_each(|&stream| device.check_stream(stream));
        if let Err(error) = known {
            return Err(NotFreed { block, reason: error.into() });
        }
        for &stream in &block.uses {
            books.note_use(block.at, stream);
        }
        if books.blocks[block.at].used_elsewhere
            && let Err(error) = books.free_later(device, block.at)
        {
            return Err(NotFreed { block, reason: error.into() });
        }
        // The books may know what was asked for in it before a thread kept it.
        let counted = books.correct_request(block.at, block.requested);
        lock(&self.kept).tally.correct(counted, block.requested);
        books.take_back(block.at);
        Ok(())
    }

    /// What this thread takes for the arena of a name, until it learns of an end.
    fn arena(&mut self, pool: PoolId, stream: StreamId) -> Result<ArenaIndex, DeviceError> {
        if let Some(&arena) = self.arenas.get(&(pool, stream)) {
            return Ok(arena);
        }
        let arena = self.books.state().books.arenas.find(&self.device, pool, stream)?;
        self.arenas.insert((pool, stream), arena);
        Ok(arena)
    }
}

impl<D: Device, O: Observer> Drop for ThreadFront<D, O> {
    fn drop(&mut self) {
        let mut state = self.books.state();
        state.fronts.retain(|front| !Arc::ptr_eq(front, &self.kept));
        let mut kept = lock(&self.kept);
        state.take_in_all(&mut kept);
        state.of_gone_fronts.add(&kept.tally);
    }
}

fn block(parcel: Parcel, arena: ArenaIndex, requested: Bytes, books: u64) -> Block {
    Block { at: parcel.at, arena, extent: parcel.extent, requested, uses: Vec::new(), books }
}
