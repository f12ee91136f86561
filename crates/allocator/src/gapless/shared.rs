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
mod tally;
mod kept;
mod shared_books;
mod in_hand;
mod thread_front;
#[cfg(test)]
mod tests;

use std::fmt;

use gapless_device::{DeviceError, SharedDevice};
use gapless_trace::{FinalSegment, Recording};
use gapless_units::{Bytes, DeviceId, Extent, PoolId, StreamId};

use super::books::Books;
use super::captures::{begin_capture, end_capture};
use super::endings::{end_pool, end_stream};
use super::hold::Hold;
use super::invariants::BrokenInvariant;
use super::page_size::PageSize;
use super::peers::enable_peer_access;
use super::slack::Slack;
use super::sync::Arc;
use super::trim::trim;
use crate::failure::FreeError;
use crate::observer::Observer;
use crate::statistics::Statistics;
use crate::usage::Usage;
use in_hand::InHand;
use shared_books::{SharedBooks, lock};

pub use block::{Block, NotFreed};
pub use thread_front::ThreadFront;

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

impl<D: SharedDevice, O: Observer> SharedAllocator<D, O> {
    /// An allocator that holds nothing yet, over a device whose granules are a power of two. Panics
    /// where they are not. Its pages are as large as the device says is best ([`gapless_device::Device::page`]).
    pub fn new(device: D, slack: Slack, observer: O) -> Self {
        let page = PageSize::at_least(device.page());
        Self::with_pages(device, page, slack, observer)
    }

    /// The same with pages of another size, as [`crate::GaplessAllocator::with_pages`] says.
    pub fn with_pages(device: D, page: PageSize, slack: Slack, observer: O) -> Self {
        let page = page.over(device.granule());
        let books = SharedBooks::new(Books::new(page, slack, observer));
        Self { books: Arc::new(books), device }
    }

    /// A way to the allocator for one thread.
    pub fn front(&self) -> ThreadFront<D, O> {
        ThreadFront::new(&self.books, self.device.clone())
    }

    fn hold<T>(&self, work: impl FnOnce(&mut InHand<'_, D, O>) -> T) -> T {
        work(&mut InHand::new(&self.books, &mut self.device.clone()))
    }

    /// Gives free pages back until no more than `keep` is reserved, out of the gaps that lack most
    /// of theirs first, and addresses under which nothing is mapped. Waits for all work on the
    /// streams it serves, and on others that still use blocks which were freed. What is pinned or
    /// lies in a private pool that goes on stays. Fails while a graph is captured, or where the device fails;
    /// what was given back by then stays so.
    pub fn trim(&self, keep: Bytes) -> Result<(), DeviceError> {
        self.hold(|hold| trim(hold, keep))
    }

    /// Frees what waited for work that is done by now. Fails where the device does.
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

    /// Lets another device of the process use all that is mapped, and what will be, as
    /// [`enable_peer_access`](crate::GaplessAllocator::enable_peer_access) of the other allocator says.
    pub fn enable_peer_access(&self, peer: DeviceId) -> Result<(), DeviceError> {
        self.hold(|hold| enable_peer_access(hold, peer))
    }

    /// Tells that a graph is about to be captured, as
    /// [`begin_capture`](crate::GaplessAllocator::begin_capture) of the other allocator says, and waits for
    /// other threads' waits for the device.
    pub fn begin_capture(&self) {
        self.hold(|hold| begin_capture(hold));
    }

    /// Tells that a capture is over, as [`end_capture`](crate::GaplessAllocator::end_capture) of the other
    /// allocator says.
    pub fn end_capture(&self) -> Result<(), DeviceError> {
        self.hold(|hold| end_capture(hold))
    }

    /// Whether a capture was begun that did not end.
    pub fn is_capturing(&self) -> bool {
        self.hold(|hold| hold.books().is_capturing())
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

    /// How many requests waited for the device.
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

    /// Every run of slots with memory, as an expandable segment with its blocks, by address. What was
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

    /// Lets somebody look at who is told what happens, and change it. All requests wait meanwhile; any
    /// call of this allocator in `work` would wait for ever.
    pub fn with_observer<T>(&self, work: impl FnOnce(&mut O) -> T) -> T {
        work(&mut self.books.state().books.observer)
    }

    /// Looks at everything that is true of a sound allocator while no request is being served.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.books.state().books.check_invariants()
    }
}
