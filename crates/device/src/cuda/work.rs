//! What a program's kernels do, for tests: write patterns, and look whether they are still there.

use std::ffi::CStr;
use std::sync::Arc;

use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::Cuda;
use super::context::{Allocated, Context, Refusal};
use super::graph::Graph;
use super::kernel::{Kernel, Module};
use crate::device::DeviceError;

/// The kernels, with the zero that the driver wants behind them.
const KERNELS: &str = concat!(include_str!("work.ptx"), "\0");

/// The size of a count.
const COUNT: Bytes = Bytes::new(8);

/// The threads of a block of threads, and the most such blocks.
const THREADS: u32 = 256;
const MOST_BLOCKS: u32 = 1024;

/// The kernels of a card, and where wrong words are counted. Work that was captured may use both for as
/// long as there is a handle of the card.
#[derive(Debug)]
pub(super) struct Kernels {
    context: Arc<Context>,
    fill: Kernel,
    check: Kernel,
    delay: Kernel,
    counter: Option<Allocated>,
}

impl Kernels {
    fn of(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let told = |refusal: Refusal| refusal.told("load kernels");
        let text = CStr::from_bytes_with_nul(KERNELS.as_bytes());
        let text =
            text.map_err(|_| DeviceError::Invalid { call: "load kernels", reason: "no text" })?;
        let module = Module::compile(Arc::clone(context), text).map_err(told)?;
        let kernel = |name: &CStr| module.kernel(name).map_err(told);
        let (fill, check, delay) = (kernel(c"fill")?, kernel(c"check")?, kernel(c"delay")?);
        // It is the test's, not the card's user's, and so in no books.
        let counter = Some(context.allocate(COUNT).map_err(told)?);
        let it = Self { context: Arc::clone(context), fill, check, delay, counter };
        context.zero(Extent::between(it.counter(), it.counter() + COUNT)).map_err(told)?;
        // Streams that are made here do not wait for that by themselves.
        context.wait().map_err(told)?;
        Ok(it)
    }

    fn counter(&self) -> Addr {
        self.counter.as_ref().map_or(Addr::default(), Allocated::addr)
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        if let Some(counter) = self.counter.take() {
            // It waits for the card, so no kernel runs any more when the module goes. Where the driver
            // refuses, the counter goes with the context.
            let _ = self.context.free(counter);
        }
    }
}

/// Work for the streams of a card whose result can be checked.
///
/// All calls answer at once; the work is done later, in the order of each stream. It is refused on
/// memory that the card did not give, and on memory that is not accessible when it is done it is a fault
/// of the card, after which every call fails.
#[derive(Clone, Debug)]
pub struct CudaWork {
    card: Cuda,
    kernels: Arc<Kernels>,
}

impl CudaWork {
    /// Has the kernels compiled, which takes the part of the driver that compiles.
    pub fn new(card: Cuda) -> Result<Self, DeviceError> {
        let kernels = {
            let mut known = card.kernels();
            match &*known {
                Some(kernels) => Arc::clone(kernels),
                None => Arc::clone(known.insert(Arc::new(Kernels::of(&card.0.context)?))),
            }
        };
        Ok(Self { card, kernels })
    }

    /// Writes the pattern of `seed`, of which the lower 32 bits count, to the whole words of `extent`.
    pub fn fill(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.on_words("fill", &self.kernels.fill, stream, extent, seed)
    }

    /// Counts the words of `extent` that are not of the pattern of `seed`.
    pub fn check(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.on_words("check", &self.kernels.check, stream, extent, seed)
    }

    /// Keeps a stream busy.
    pub fn delay(&self, stream: StreamId, nanos: u64) -> Result<(), DeviceError> {
        self.launch("delay", &self.kernels.delay, stream, 1, 1, [nanos, 0, 0, 0])
    }

    /// Captures what is queued on a stream from now on, instead of doing it, until the same thread ends
    /// that. The driver gives the capture up where any thread makes a call that it does not allow
    /// meanwhile.
    pub fn begin_capture(&self, stream: StreamId) -> Result<(), DeviceError> {
        let call = "begin capture";
        let stream = self.card.streams().stream(call, stream)?;
        stream.begin_capture().map_err(|refusal| refusal.told(call))
    }

    /// What was captured on a stream. An error where something spoiled it.
    pub fn end_capture(&self, stream: StreamId) -> Result<CudaGraph, DeviceError> {
        let call = "end capture";
        let stream = self.card.streams().stream(call, stream)?;
        let graph = stream.end_capture().map_err(|refusal| refusal.told(call))?;
        Ok(CudaGraph { graph, work: self.clone() })
    }

    /// How many wrong words were counted until now, by work that is done.
    pub fn wrong_words(&self) -> Result<u64, DeviceError> {
        let count = self.card.0.context.number_at(self.kernels.counter());
        count.map_err(|refusal| refusal.told("read the count"))
    }

    fn on_words(
        &self,
        call: &'static str,
        kernel: &Kernel,
        stream: StreamId,
        extent: Extent,
        seed: u64,
    ) -> Result<(), DeviceError> {
        if !self.card.with_memory(|memory| memory.gave(extent)) {
            return Err(DeviceError::Invalid { call, reason: "the memory is not the card's" });
        }
        let words = extent.size().get() / 4;
        let blocks = words.div_ceil(THREADS.into()).clamp(1, MOST_BLOCKS.into());
        let blocks = u32::try_from(blocks).unwrap_or(MOST_BLOCKS);
        let arguments = [extent.start().get(), words, seed, self.kernels.counter().get()];
        self.launch(call, kernel, stream, blocks, THREADS, arguments)
    }

    fn launch(
        &self,
        call: &'static str,
        kernel: &Kernel,
        stream: StreamId,
        blocks: u32,
        threads: u32,
        arguments: [u64; 4],
    ) -> Result<(), DeviceError> {
        let stream = self.card.streams().stream(call, stream)?;
        let launched = kernel.launch(&stream, blocks, threads, arguments);
        launched.map_err(|refusal| refusal.told(call))
    }
}

/// Work that was captured.
#[derive(Debug)]
pub struct CudaGraph {
    graph: Graph,
    /// What its kernels and their counter belong to.
    work: CudaWork,
}

impl CudaGraph {
    /// Queues all of it on a stream.
    pub fn launch(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        let call = "launch graph";
        let stream = self.work.card.streams().stream(call, stream)?;
        self.graph.launch(&stream).map_err(|refusal| refusal.told(call))
    }
}
