//! What a program's kernels do, for tests: write patterns, and look whether they are still there.

use std::ffi::CStr;
use std::sync::Arc;

use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::Cuda;
use super::context::{Allocated, Refusal};
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

/// Work for the streams of a card whose result can be checked.
///
/// All calls answer at once; the work is done later, in the order of each stream. Work on addresses
/// without access is a fault of the card, after which every call fails.
#[derive(Debug)]
pub struct CudaWork {
    card: Cuda,
    fill: Kernel,
    check: Kernel,
    delay: Kernel,
    /// Where wrong words are counted.
    counter: Option<Allocated>,
}

impl CudaWork {
    /// Has the kernels compiled, which takes the part of the driver that compiles.
    pub fn new(card: Cuda) -> Result<Self, DeviceError> {
        let told = |refusal: Refusal| refusal.told("load kernels");
        let text = CStr::from_bytes_with_nul(KERNELS.as_bytes());
        let text =
            text.map_err(|_| DeviceError::Invalid { call: "load kernels", reason: "no text" })?;
        let module = Module::compile(Arc::clone(&card.0.context), text).map_err(told)?;
        let [fill, check, delay] = [c"fill", c"check", c"delay"].map(|name| module.kernel(name));
        let (fill, check) = (fill.map_err(told)?, check.map_err(told)?);
        let delay = delay.map_err(told)?;
        // It is the test's, not the card's user's, and so in no books.
        let counter = card.0.context.allocate(COUNT).map_err(told)?;
        let work = Self { card, fill, check, delay, counter: Some(counter) };
        let context = &work.card.0.context;
        context.zero(Extent::between(work.counter(), work.counter() + COUNT)).map_err(told)?;
        Ok(work)
    }

    /// Writes the pattern of `seed` to the whole words of `extent`.
    pub fn fill(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.on_words("fill", &self.fill, stream, extent, seed)
    }

    /// Counts the words of `extent` that are not of the pattern of `seed`.
    pub fn check(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.on_words("check", &self.check, stream, extent, seed)
    }

    /// Keeps a stream busy.
    pub fn delay(&self, stream: StreamId, nanos: u64) -> Result<(), DeviceError> {
        self.launch("delay", &self.delay, stream, 1, 1, [nanos, 0, 0, 0])
    }

    /// Captures what is queued on a stream from now on, instead of doing it. The driver gives the capture
    /// up where any thread makes a call that it does not allow meanwhile.
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
        Ok(CudaGraph { card: self.card.clone(), graph })
    }

    /// How many wrong words were counted until now, by work that is done.
    pub fn wrong_words(&self) -> Result<u64, DeviceError> {
        let count = self.card.0.context.number_at(self.counter());
        count.map_err(|refusal| refusal.told("read the count"))
    }

    fn counter(&self) -> Addr {
        self.counter.as_ref().map_or(Addr::default(), Allocated::addr)
    }

    fn on_words(
        &self,
        call: &'static str,
        kernel: &Kernel,
        stream: StreamId,
        extent: Extent,
        seed: u64,
    ) -> Result<(), DeviceError> {
        let words = extent.size().get() / 4;
        let blocks = words.div_ceil(THREADS.into()).clamp(1, MOST_BLOCKS.into());
        let blocks = u32::try_from(blocks).unwrap_or(MOST_BLOCKS);
        let arguments = [extent.start().get(), words, seed, self.counter().get()];
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
    card: Cuda,
    graph: Graph,
}

impl CudaGraph {
    /// Queues all of it on a stream.
    pub fn launch(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        let call = "launch graph";
        let stream = self.card.streams().stream(call, stream)?;
        self.graph.launch(&stream).map_err(|refusal| refusal.told(call))
    }
}

impl Drop for CudaWork {
    fn drop(&mut self) {
        if let Some(counter) = self.counter.take() {
            // It goes with the context where the driver refuses.
            let _ = self.card.0.context.free(counter);
        }
    }
}
