//! NVIDIA cards, through the driver that is there when the program runs.
//!
//! ```text
//!   program            cuda                                    driver
//!   create, map  ────► memory   books, and whose handle  ────► cuMemCreate, cuMemMap …
//!   record, wait ────► streams  events and streams by id ────► cuEventRecord …
//!                      context  each call, on this card
//!                      driver   the driver's functions, found by name
//! ```
//!
//! Nothing is linked: where there is no driver, [`Cuda::open`] says so, and that is all.

#[expect(
    unsafe_code,
    reason = "a library that another program brought has no types that Rust knows"
)]
mod driver;
#[expect(unsafe_code, reason = "calls into that library")]
mod context;
#[expect(unsafe_code, reason = "likewise")]
mod stream;
#[expect(unsafe_code, reason = "likewise")]
mod graph;
#[expect(unsafe_code, reason = "likewise")]
mod kernel;
mod memory;
mod streams;
mod work;

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gapless_units::{Addr, Bytes, DeviceId, Extent, StreamId};

use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo, SharedDevice};

use context::{Context, Refusal};
pub use driver::CudaError;
use memory::Memory;
use streams::Streams;
use work::Kernels;
pub use work::{CudaGraph, CudaWork};

/// Half of the mappings with which one context of an H100 was reported to fail; no driver says how many it
/// keeps.
const MAPPINGS: u64 = 1 << 18;

/// A card has at least so many pages, where these are larger than its granules: then few that are partly
/// used are a small part of the whole.
const PAGES: u64 = 1 << 14;

/// Which card, and how much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CudaSetup {
    /// The card, as the driver counts those it shows to this process.
    pub ordinal: u32,
    /// The most memory to take; all that the card has where none is said.
    pub limit: Option<Bytes>,
}

/// A card. Clones are the same card with the same books.
///
/// Its context is the *primary* one, which the CUDA runtime and the frameworks use as well: what is
/// mapped here is there for their kernels. A call leaves the context that is current in its thread as it
/// found it.
///
/// # Streams
///
/// A stream's id is the driver's own pointer to it, as in PyTorch's snapshots; 0 is the default stream,
/// which is always known. Others are made here ([`Cuda::make_stream`]) or, where another library made
/// them, have to be told of ([`Cuda::adopt_stream`]); calls for others are refused.
///
/// # What it costs
///
/// [`Costs`](crate::Costs) has measured figures of each call. Nothing but [`Device::free`] and the calls
/// that wait by name waits for work of the card, unless a stream's queue is full. What was taken and not
/// given back stays taken for as long as anybody uses the primary context. While a graph is captured on a stream of the process,
/// the driver refuses much and gives the capture up where it is asked about events.
#[derive(Clone, Debug)]
pub struct Cuda(Arc<Card>);

#[derive(Debug)]
struct Card {
    context: Arc<Context>,
    granule: Bytes,
    /// The most that may be taken.
    capacity: Bytes,
    /// What of that is left, in bytes: to be read while another thread is in a call of the driver.
    left: AtomicU64,
    memory: Mutex<Memory>,
    streams: Mutex<Streams>,
    /// Those of its tests, once there are any.
    kernels: Mutex<Option<Arc<Kernels>>>,
}

impl Cuda {
    /// Opens a card.
    pub fn open(setup: CudaSetup) -> Result<Self, CudaError> {
        let context = Arc::new(Context::open(setup.ordinal)?);
        let granule = context.granule()?;
        let (_, total) = context.memory()?;
        let capacity = setup.limit.map_or(total, |limit| limit.min(total));
        let card = Card {
            granule,
            capacity,
            left: AtomicU64::new(capacity.get()),
            memory: Mutex::new(Memory::new(Arc::clone(&context), granule, capacity)),
            streams: Mutex::new(Streams::new(Arc::clone(&context))),
            kernels: Mutex::new(None),
            context,
        };
        Ok(Self(Arc::new(card)))
    }

    /// A stream of its own, which does not wait for the default stream (`cuStreamCreate`).
    pub fn make_stream(&self) -> Result<StreamId, DeviceError> {
        self.streams().make()
    }

    /// Makes a stream known that another library made.
    ///
    /// # Safety
    ///
    /// It is a stream of this card's primary context, and lives until [`Cuda::forget_stream`] has
    /// answered and no other call with it is under way.
    #[expect(unsafe_code, reason = "only the caller knows what the pointer points to")]
    pub unsafe fn adopt_stream(&self, stream: *mut c_void) -> StreamId {
        // SAFETY: the caller says so.
        unsafe { self.streams().adopt(stream) }
    }

    /// Ends a stream that was made here once its work is done, or forgets one that was adopted.
    pub fn forget_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        // Where it is the last to have it, the driver ends the stream with nothing in hand.
        let forgotten = self.streams().forget(stream);
        forgotten.map(drop)
    }

    /// Lets `stream` go on once the work before `event` is done (`cuStreamWaitEvent`).
    pub fn make_wait(&self, stream: StreamId, event: EventId) -> Result<(), DeviceError> {
        let call = "make a stream wait";
        let (stream, event) = {
            let streams = self.streams();
            (streams.stream(call, stream)?, streams.event(call, event)?)
        };
        stream.wait_for(&event).map_err(|refusal| refusal.told(call))
    }

    /// Waits until all work of the process on this card is done (`cuCtxSynchronize`).
    pub fn wait_for_device(&self) -> Result<(), DeviceError> {
        self.0.context.wait().map_err(|refusal| refusal.told("wait for device"))
    }

    /// What is allocated or created here and did not go back, in whole granules.
    pub fn used(&self) -> Bytes {
        self.0.capacity.saturating_sub(self.left())
    }

    /// What may still be taken, if the card has it.
    fn left(&self) -> Bytes {
        Bytes::new(self.0.left.load(Ordering::Relaxed))
    }

    /// Makes calls with the books of memory in hand, for which other threads' calls wait.
    fn with_memory<T>(&self, calls: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = calls(&mut memory);
        self.0.left.store(memory.left().get(), Ordering::Relaxed);
        answer
    }

    fn kernels(&self) -> MutexGuard<'_, Option<Arc<Kernels>>> {
        self.0.kernels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedDevice for Cuda {}

impl Device for Cuda {
    /// What the driver has left for anybody, or less where a limit is nearer. After a fault of the card
    /// nothing is left.
    fn memory(&self) -> MemoryInfo {
        let free = self.0.context.free_now().min(self.left());
        MemoryInfo { free, total: self.0.capacity }
    }

    fn granule(&self) -> Bytes {
        self.0.granule
    }

    /// The driver takes as long for 128 MiB as for 2 MiB, so larger cards have larger pages: the largest
    /// power of two of which there are 16,384 in all that may be taken. Of 80 GiB that is 4 MiB.
    fn page(&self) -> Bytes {
        let share = self.0.capacity.get() / PAGES;
        let power = share.checked_ilog2().map_or(0, |power| 1 << power);
        Bytes::new(power).max(self.0.granule)
    }

    fn mapping_limit(&self) -> u64 {
        MAPPINGS
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.with_memory(|memory| memory.allocate(size))
    }

    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        let (extent, allocated) = self.with_memory(|memory| memory.take_allocated(addr))?;
        // The driver waits for the whole card; others have the books meanwhile.
        let freed = self.0.context.free(allocated);
        self.with_memory(|memory| memory.settle_free(extent, freed))
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.with_memory(|memory| memory.reserve(size))
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.unreserve(reservation))
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.with_memory(|memory| memory.create(size))
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.release(handle))
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.map(addr, handle))
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.set_access(range))
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.unmap(range))
    }

    fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        self.with_memory(|memory| memory.enable_peer_access(peer))
    }

    fn check_stream(&self, stream: StreamId) -> Result<(), DeviceError> {
        self.streams().stream("check stream", stream).map(drop)
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        let call = "record event";
        // Not with the books in hand: the driver may wait until there is room in the stream's queue.
        let stream = self.streams().stream(call, stream)?;
        let event = stream.record().map_err(|refusal| refusal.told(call))?;
        Ok(self.streams().keep_event(event))
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        let call = "query event";
        let event = self.streams().event(call, event)?;
        event.is_complete().map_err(|refusal| refusal.told(call))
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        let call = "wait for event";
        // Looked up in a statement of its own, so that nobody waits for the books meanwhile.
        let event = self.streams().event(call, event)?;
        event.wait().map_err(|refusal| refusal.told(call))
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        let dropped = self.streams().drop_event(event);
        dropped.map(drop)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        let call = "wait for stream";
        let stream = self.streams().stream(call, stream)?;
        stream.wait().map_err(|refusal| refusal.told(call))
    }
}

impl Refusal {
    /// The refusal of a call for which no other error is meant.
    fn told(&self, call: &'static str) -> DeviceError {
        DeviceError::Driver { call, reason: self.to_string() }
    }
}
