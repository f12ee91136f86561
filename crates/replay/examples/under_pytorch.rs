//! The gapless allocator under PyTorch, to be measured: a library that `bench/under_pytorch.py` loads.
//!
//! PyTorch calls it for the memory of the first card (`torch.cuda.memory.CUDAPluggableAllocator`, of PyTorch
//! 2.0 and later). It knows no private pools, and graphs must not be captured. PyTorch does not look whether
//! it got what it asked for, so whatever fails here ends the program.

#![expect(unsafe_code, reason = "PyTorch calls by the names of C, and streams are pointers")]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures time, and PyTorch hands it no settings"
)]
#![expect(clippy::print_stderr, reason = "PyTorch takes no error")]

#[path = "steps/timed.rs"]
mod timed;

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, PageSize, Slack};
use gapless_device::{Cuda, CudaSetup, Device};
use gapless_units::{Addr, Bytes, StreamId};
use rustc_hash::FxHashMap;

use timed::Timed;

type Answer<T> = Result<T, Box<dyn Error>>;

/// The allocator, once it was asked for anything.
static UNDER_PYTORCH: Mutex<Option<UnderPyTorch>> = Mutex::new(None);

/// How large pages are, as in `2MiB`; as the card says where it is not set.
const PAGE: &str = "GAPLESS_PAGE";

struct UnderPyTorch {
    card: Cuda,
    allocator: GaplessAllocator<Timed<Cuda>>,
    blocks: FxHashMap<Addr, BlockId>,
    streams: BTreeSet<StreamId>,
}

/// What the allocator did until now.
#[repr(C)]
pub struct Told {
    live_peak_bytes: u64,
    reserved_peak_bytes: u64,
    stalls: u64,
    nanos_in_calls: u64,
}

impl UnderPyTorch {
    fn open() -> Answer<Self> {
        let card = Cuda::open(CudaSetup::default())?;
        let page = match std::env::var(PAGE) {
            Ok(text) => text.parse()?,
            Err(_) => card.page(),
        };
        let (device, page) = (Timed::new(card.clone()), PageSize::at_least(page));
        let allocator = GaplessAllocator::with_pages(device, page, Slack::DEFAULT, ());
        let streams = BTreeSet::from([StreamId::DEFAULT]);
        Ok(Self { card, allocator, blocks: FxHashMap::default(), streams })
    }

    /// # Safety
    ///
    /// It is a stream of the card's primary context, which is never destroyed.
    unsafe fn known(&mut self, stream: *mut c_void) -> StreamId {
        let id = StreamId(stream as u64);
        if self.streams.insert(id) {
            // SAFETY: the caller says so.
            unsafe { self.card.adopt_stream(stream) };
        }
        id
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId) -> Answer<Addr> {
        let block = self.allocator.allocate(size, stream)?;
        let addr = self.allocator.extent(block).ok_or("a block without an extent")?.start();
        self.blocks.insert(addr, block);
        Ok(addr)
    }

    fn free(&mut self, addr: Addr) -> Answer<()> {
        let block = self.blocks.remove(&addr).ok_or("no block begins there")?;
        Ok(self.allocator.free(block)?)
    }

    fn record_stream(&mut self, addr: Addr, stream: StreamId) -> Answer<()> {
        let &block = self.blocks.get(&addr).ok_or("no block begins there")?;
        Ok(self.allocator.record_stream(block, stream)?)
    }

    fn tell(&self) -> Told {
        let (_, time) = self.allocator.device().spent();
        Told {
            live_peak_bytes: self.allocator.live_peak().get(),
            reserved_peak_bytes: self.allocator.statistics().reserved_bytes.all.peak,
            stalls: self.allocator.stalls(),
            nanos_in_calls: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// What an action answers. Where it fails, the program ends with the reason.
fn with<T>(action: impl FnOnce(&mut UnderPyTorch) -> Answer<T>) -> T {
    let mut guard = UNDER_PYTORCH.lock().unwrap_or_else(PoisonError::into_inner);
    let it = match guard.as_mut() {
        Some(it) => Ok(it),
        None => UnderPyTorch::open().map(|opened| guard.insert(opened)),
    };
    it.and_then(action).unwrap_or_else(|error| {
        eprintln!("gapless: {error}");
        std::process::abort()
    })
}

fn addr_of(start: *mut c_void) -> Addr {
    Addr::new(start as u64)
}

/// Memory for work on a stream; null for no bytes.
///
/// # Safety
///
/// The stream is null or one of PyTorch's on that card, which PyTorch never destroys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gapless_allocate(
    size: usize,
    device: c_int,
    stream: *mut c_void,
) -> *mut c_void {
    // PyTorch also asks for no bytes.
    if size == 0 {
        return null_mut();
    }
    let addr = with(|it| {
        if device != 0 {
            return Err("there is memory of the first card only".into());
        }
        // SAFETY: the caller says so.
        let stream = unsafe { it.known(stream) };
        it.allocate(Bytes::new(size as u64), stream)
    });
    addr.get() as *mut c_void
}

/// Takes memory back; its stream may still use it.
#[unsafe(no_mangle)]
pub extern "C" fn gapless_free(
    start: *mut c_void,
    _size: usize,
    _device: c_int,
    _stream: *mut c_void,
) {
    if !start.is_null() {
        with(|it| it.free(addr_of(start)));
    }
}

/// Takes in that another stream uses memory.
///
/// # Safety
///
/// As for [`gapless_allocate`], on the first card.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gapless_record_stream(start: *mut c_void, stream: *mut c_void) {
    if start.is_null() {
        return;
    }
    with(|it| {
        // SAFETY: the caller says so.
        let stream = unsafe { it.known(stream) };
        it.record_stream(addr_of(start), stream)
    });
}

/// What the allocator did until now.
#[unsafe(no_mangle)]
pub extern "C" fn gapless_tell() -> Told {
    with(|it| Ok(it.tell()))
}
