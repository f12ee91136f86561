//! The allocator that does not fragment.
//!
//! ```text
//!   request ──► a block of its size, freed a moment ago ──► hand out
//!                    │ none
//!                    ▼
//!        finish frees, merge the front
//!                    │
//!                    ▼
//!        the place that a plan has for it, or the best fit among the free addresses
//!                    │
//!                    ▼
//!        memory under all of it? ──► cut, hand out
//!                    │ some slots have none
//!                    ▼
//!        an alias whose page is free ──► a spare page ──► within the budget: a new page
//!             ──► merge all fronts: a page from the sparsest gap ──► a new page
//!                    │ the device has no more
//!                    ▼
//!        wait for the fewest events that suffice, search again ──► fail
//! ```
//!
//! Addresses and memory are apart. Addresses are plenty: each stream of each pool has an *arena*
//! of reserved ranges (*reservations*), cut into blocks that are merged with their free neighbors
//! and searched by best fit, down to 512 bytes. Memory comes in the device's pages; a page under
//! which nothing is alive can lie under any *slot* of addresses, so free memory is never tied to
//! a gap. What remains unusable are the free parts of pages that are partly alive.
//!
//! A page moves by being mapped under its new slot as well. The old mapping stays as an *alias*:
//! nobody waits for work that may still use the old address, and a program that repeats itself
//! finds its pages under its slots again without a call of the device; the oldest go before the
//! device keeps no more mappings ([`Device::mapping_limit`]). Where that is not enough,
//! what it asks for is profiled, and each request has a place that is planned; a plan is a hint.
//!
//! Rules of safety, each held by a test:
//!
//! 1. Bytes change streams only after an event of the stream that used them last.
//! 2. A slot is unmapped only after the work that used its addresses.
//! 3. A page has one active mapping at most; no byte is handed out twice.
//! 4. Pages under pinned blocks, and those of private pools, do not move.
//! 5. Each call of the device may fail; the books are as before, and no page is lost.
//! 6. After any wait the free blocks are searched again, and no request fails because of what
//!    another thread had in hand for a moment.
//! 7. Books that threads share are out of hand while the device maps, creates, releases or waits;
//!    events are recorded and asked about with the books in hand, as is what the device has left.
//! 8. The device is not asked about a stream that is over.
//! 9. Where a page is mapped, every peer has access.
//! 10. While a graph is captured the device is asked about no event or stream, and no page is taken from
//!     where it lies.
//!
//! Its limit: pages that are partly alive. Where work is done when it is asked about, no more is
//! reserved by need than the larger of what was alive at most, in whole pages, and the most pages that
//! live blocks shared a byte with at once; slack comes on top by choice. A live block of a page or more
//! fills all of its pages but two at most; smaller blocks pin pages as they would fragment any heap,
//! by the logarithm of how much they differ in size in the worst case (J. M. Robson, "Bounds for some
//! functions concerning dynamic storage allocation", 1974). What other streams have not done yet keeps
//! its pages until then, what is pinned for as long as it is, and each private pool the most that it
//! ever held until it ends: they come on top.

mod names;
mod time;
mod slack;
mod page_size;
mod request;
mod room;
mod block;
mod page;
mod slot_set;
mod pages;
mod bins;
mod known;
#[cfg(test)]
mod turns;
mod watch;
mod planner;
mod arena;
mod front;
mod deferred;
mod counts;
mod books;
mod finger;
mod idle;
mod free_blocks;
mod hold;
mod frees;
mod waits;
mod awaited;
mod captures;
mod peers;
mod remap;
mod unmap;
mod mappings;
mod supply;
mod endings;
mod addresses;
mod place;
mod planning;
mod planned;
mod cheapest;
mod contest;
mod detour;
mod trim;
mod ladder;
mod pins;
mod snapshot;
mod invariants;
mod sync;
pub(crate) mod shared;

use gapless_device::{Device, DeviceError};
use gapless_trace::{FinalSegment, Recording, Settings};
use gapless_units::{Bytes, DeviceId, Extent, PoolId, StreamId};

use crate::allocator::Allocator;
use crate::failure::{AllocationError, FreeError};
use crate::observer::Observer;
use crate::statistics::Statistics;
use crate::usage::Usage;
use books::Books;
use endings::{end_pool, end_stream};
use hold::Alone;
use ladder::acquire;
use names::ArenaIndex;
use peers::enable_peer_access;
use request::{REQUEST_LIMIT, rounded};
use room::request_or_make_room;

pub use invariants::BrokenInvariant;
pub use names::BlockId;
pub use page_size::PageSize;
pub use slack::Slack;

/// The allocator that does not fragment, over a device that can map pages.
///
/// Streams: a block may be used by work on its own stream at once; use on others is told with
/// [`Allocator::record_stream`]. The allocator is `Send` where its device is.
///
/// Dropping it gives nothing back to the device: [`Allocator::empty_cache`] before does that with
/// all that is free. What is still held then stays taken for as long as the device lives.
#[derive(Debug)]
pub struct GaplessAllocator<D, O = ()> {
    device: D,
    books: Books<O>,
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// An allocator that holds nothing yet, over a device whose granules are a power of two. Panics
    /// where they are not. Its pages are as large as the device says is best ([`Device::page`]).
    pub fn new(device: D, slack: Slack, observer: O) -> Self {
        let page = PageSize::at_least(device.page());
        Self::with_pages(device, page, slack, observer)
    }

    /// The same with pages of another size. Where one is larger than the device's memory, every
    /// request fails; slack of less than one has no effect.
    pub fn with_pages(device: D, page: PageSize, slack: Slack, observer: O) -> Self {
        let books = Books::new(page.over(device.granule()), slack, observer);
        Self { device, books }
    }

    /// Who is told what happens.
    pub fn observer(&self) -> &O {
        &self.books.observer
    }

    /// Who is told what happens.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.books.observer
    }

    /// Its parts, the life of the allocator being over. What it holds from the device stays
    /// held; [`Allocator::empty_cache`] before gives back what is free.
    pub fn into_parts(self) -> (D, O) {
        (self.device, self.books.observer)
    }

    /// Bytes of blocks that the program holds or other streams still use.
    pub fn live(&self) -> Bytes {
        self.books.counts.live()
    }

    /// The most of [`GaplessAllocator::live`] so far, whatever was reset meanwhile.
    pub fn live_peak(&self) -> Bytes {
        self.books.counts.live_peak()
    }

    /// Keeps another amount of memory beyond what is alive from now on.
    pub fn set_slack(&mut self, slack: Slack) {
        self.books.slack = slack;
    }

    /// A block of at least `size` bytes for work on `stream`.
    ///
    /// Fails where the device has not enough memory even after everything free was used, with
    /// the bytes that were missing ([`AllocationError::missing`]), or where the device itself fails.
    pub fn allocate(&mut self, size: Bytes, stream: StreamId) -> Result<BlockId, AllocationError> {
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
    ) -> Result<BlockId, AllocationError> {
        request_or_make_room(self, |it| it.allocate(size, stream), make_room)
    }

    /// What it holds, in short.
    pub fn usage(&self) -> Usage {
        Usage::of(&self.statistics(), self.books.stalls)
    }

    /// Takes the present for the peaks in [`Allocator::statistics`] and in
    /// [`GaplessAllocator::usage`] (`torch.cuda.reset_peak_memory_stats`). How much is kept by
    /// choice goes on to follow the most that was ever alive.
    pub fn reset_peaks(&mut self) {
        self.books.reset_peaks();
    }

    /// Gives free pages back until no more than `keep` is reserved, out of the gaps that lack most
    /// of theirs first, and addresses under which nothing is mapped. Waits for all work on the
    /// streams it serves, and on others that still use blocks which were freed. What is pinned or
    /// lies in a private pool that goes on stays; [`Allocator::reserved`] says how much is left.
    pub fn trim(&mut self, keep: Bytes) -> Result<(), DeviceError> {
        trim::trim(&mut Alone::new(&mut self.books, &mut self.device), keep)
    }

    /// Keeps the pages under a block where they are, also after the block was given back: for
    /// memory that was exported, registered or captured. The addresses serve other requests once
    /// the block is given back, so it is held for as long as others need what is in it. Fails for a
    /// block that is not held.
    pub fn pin(&mut self, block: BlockId) -> Result<Extent, FreeError> {
        let at = self.books.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        Ok(self.books.pin(at))
    }

    /// Ends a pin: what [`GaplessAllocator::pin`] answered, once for each. Says whether there was
    /// one.
    pub fn unpin(&mut self, pinned: Extent) -> bool {
        self.books.table.unpin(pinned)
    }

    /// Lets another device of the process use all that is mapped, and what will be, wherever pages move. The
    /// device refuses where it has no peers. Where opening what is mapped fails, part of it may be closed to
    /// the peer; it can be told again. A [`SharedAllocator`](crate::SharedAllocator) waits for what other
    /// threads are mapping.
    pub fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        enable_peer_access(&mut Alone::new(&mut self.books, &mut self.device), peer)
    }

    /// Lets the pages of a private pool move from now on, those under blocks that are still held
    /// included once they are free: nothing that was captured from it will run again, and what ran on other
    /// streams than that of its blocks is done. A stream that was given the name of one that ended
    /// ([`GaplessAllocator::end_stream`]) is another. Who asks for a pool of this name later gets a new one.
    pub fn end_pool(&mut self, pool: PoolId) {
        end_pool(&mut Alone::new(&mut self.books, &mut self.device), pool);
    }

    /// Tells that a stream is about to be destroyed. Waits for all work on it; the device is not
    /// asked about it any more, and what is free of it serves others at once, as far as it is in no
    /// private pool. Blocks from it, and those whose use on it was told, may be given back later. A
    /// new stream may have its name; that it uses blocks of the old one is told as of any other.
    ///
    /// Where that fails, the stream has to live on; it can be ended again.
    pub fn end_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        end_stream(&mut Alone::new(&mut self.books, &mut self.device), stream)
    }

    /// The settings under which PyTorch's allocator would have segments like these, for whoever
    /// writes a recording.
    pub fn snapshot_settings(&self) -> Settings {
        self.books.snapshot_settings()
    }

    /// Every run of slots with memory, as an expandable segment with its blocks, by address.
    pub fn segments(&self) -> Vec<FinalSegment> {
        self.books.segments()
    }

    /// A recording of the allocator, to be explained, written as a snapshot, or replayed: its
    /// segments as they are, and all that happened, where the observer is a
    /// [`Recorder`](crate::Recorder). Without one the only event is the request that failed last,
    /// as long as nothing else was allocated or freed.
    pub fn recording(&self) -> Recording {
        self.books.recording(self.books.failure_until_now())
    }

    /// A block where the front has none of this size.
    // Kept out of the way of requests that find one.
    #[inline(never)]
    fn serve_miss(
        &mut self,
        arena: ArenaIndex,
        rounded: Bytes,
        size: Bytes,
    ) -> Result<BlockId, AllocationError> {
        let mut hold = Alone::new(&mut self.books, &mut self.device);
        let at = acquire(&mut hold, arena, rounded, size)?;
        self.books.end_serving(at);
        Ok(self.books.hand_out(at, size))
    }

    /// Looks at everything that is true of a sound allocator; for tests, since it takes as long as
    /// there are blocks and pages.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.books.check_invariants()
    }
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

    #[inline]
    fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        if REQUEST_LIMIT <= size {
            return Err(self.books.too_large(&self.device, size, size, (pool, stream)));
        }
        let arena = self.books.arenas.find(&self.device, pool, stream)?;
        let rounded = rounded(size);
        if let Some(at) = self.books.take_shelved(arena, rounded) {
            return Ok(self.books.hand_out(at, size));
        }
        self.serve_miss(arena, rounded, size)
    }

    #[inline]
    fn free(&mut self, block: BlockId) -> Result<(), FreeError> {
        let at = self.books.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        if self.books.blocks[at].used_elsewhere {
            // Where that fails, the program still has the block, and nothing is told or counted.
            self.books.free_later(&mut self.device, at)?;
        }
        self.books.take_back(at);
        Ok(())
    }

    fn record_stream(&mut self, block: BlockId, stream: StreamId) -> Result<(), FreeError> {
        let at = self.books.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        self.device.check_stream(stream)?;
        self.books.note_use(at, stream);
        Ok(())
    }

    fn process_events(&mut self) -> Result<(), DeviceError> {
        self.books.finish_frees(&mut self.device)
    }

    fn empty_cache(&mut self) -> Result<(), DeviceError> {
        self.trim(Bytes::ZERO)
    }

    fn extent(&self, block: BlockId) -> Option<Extent> {
        self.books.blocks.held(block).map(|at| self.books.blocks[at].extent())
    }

    fn reserved(&self) -> Bytes {
        self.books.reserved
    }

    fn statistics(&self) -> Statistics {
        self.books.statistics()
    }

    fn stalls(&self) -> u64 {
        self.books.stalls
    }
}
