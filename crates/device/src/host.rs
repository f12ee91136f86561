//! A device of real memory, on any machine with Linux: what a stream wrote is there when it is
//! read back, through every mapping of it.
//!
//! ```text
//!   program            host                                     kernel
//!   create, map  ────► memory   books · backing · maps    ────► one file in memory, mmap
//!   fill, check  ────► streams  a queue and a thread each ────► work touches mapped addresses
//!   wait, query  ────► events   a place in a queue
//! ```
//!
//! With it a test sees what a GPU would do to data: whether bytes survive a remapping, whether
//! memory is handed on while a stream still uses it, whether a mapping is taken away too early.
//! Work queued on a stream runs in order and behind the program: at once, when it is waited for
//! ([`Pace`]), or when a [`Gate`] opens.

mod complaint;
mod view;
mod pattern;
mod backing;
#[expect(unsafe_code, reason = "memory that the kernel maps has no owner that Rust knows")]
mod maps;
mod memory;
mod work;
mod queue;
mod streams;
mod engine;
mod gate;
mod reading;

use std::sync::Arc;
use std::sync::mpsc::channel;

use gapless_units::{Addr, Bytes, Extent, MIB, StreamId};

use crate::device::{Device, DeviceError, EventId, Handle, MemoryInfo, SharedDevice};

pub use complaint::{Complaint, Fault, Mismatch};
use engine::Engine;
pub use gate::Gate;
use memory::Memory;
use queue::{Item, Mark};
pub use reading::Reading;
pub use streams::Pace;
use streams::Streams;
use work::Work;

/// What a device of the host's memory is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSetup {
    /// All the memory it has. The system gives it when it is written, and not before.
    pub total: Bytes,
    /// The smallest size that can be mapped: a power of two, at least a page of the system.
    pub granule: Bytes,
    /// When its streams do what is queued.
    pub pace: Pace,
    /// How many mappings it says to stay below.
    pub mappings: u64,
}

impl HostSetup {
    /// How many mappings fit into the kernel's 65,530 if each takes two and the rest of the process
    /// has a tenth.
    pub const USUAL_MAPPINGS: u64 = 29_000;

    /// A device of `total` bytes in granules of 2 MiB, whose streams work at once.
    pub fn new(total: Bytes) -> Self {
        Self {
            total,
            granule: Bytes::new(2 * MIB),
            pace: Pace::AtOnce,
            mappings: Self::USUAL_MAPPINGS,
        }
    }
}

/// A device of real memory. Clones are the same device, which ends with the last of them.
///
/// Beside the calls of a [`Device`] it has those that queue work on memory, which a GPU's kernels
/// and copies do. All of them answer at once; the work is done later, on the stream's thread.
///
/// ```
/// use gapless_device::{Device, Host, HostSetup};
/// use gapless_units::{Bytes, Extent, StreamId};
///
/// # fn main() -> Result<(), gapless_device::DeviceError> {
/// let mut host = Host::new(HostSetup::new(Bytes::mib(64)))?;
/// let (copy, compute) = (StreamId(1), StreamId(2));
///
/// // Two granules of memory, under addresses of their own.
/// let block = host.reserve(Bytes::mib(4))?;
/// let handle = host.create(block.size())?;
/// host.map(block.start(), handle)?;
/// host.set_access(block)?;
///
/// // One stream writes, the other reads once the first is done.
/// host.write(copy, block.start(), b"what a stream wrote")?;
/// let written = host.record_event(copy)?;
/// host.make_wait(compute, written)?;
/// let start = Extent::between(block.start(), block.start() + Bytes::new(19));
/// assert_eq!(host.read(compute, start)?.wait()?, b"what a stream wrote");
///
/// // Larger blocks are filled with a pattern and compared with it where they are.
/// host.fill(compute, block, 7)?;
/// host.check(compute, block, 7)?;
/// host.wait_for_stream(compute)?;
/// assert_eq!(host.complaints(), []);
/// # Ok(())
/// # }
/// ```
///
/// # What it notices
///
/// Work that touches an address without access touches nothing, and the device is of no use from
/// then on: [`Host::fault`] says where, and every call answers with [`DeviceError::Driver`]. Wrong
/// bytes and mappings that go away under queued work are noticed too ([`Host::complaints`]).
///
/// # What it costs
///
/// The system gives memory when it is first written, and takes it back when it is released; where
/// it has none left it ends the process, as it does for any memory. Each mapping is one of those
/// that the kernel counts, of which a process may have `vm.max_map_count`: 65,530 where nobody
/// changed it, and a mapping with nothing beside it takes two. Beyond that a call fails with
/// [`DeviceError::OutOfMappings`] and no effect, unmapping too; [`HostSetup::mappings`] is what an
/// allocator is told to stay below. Calls that change a mapping wait for the
/// work that runs at the moment, on any stream.
///
/// # Waiting
///
/// Whoever waits really waits for the stream's thread, [`Device::free`] for all streams. Work
/// behind a [`Gate`] is waited for until another thread opens the gate. Where nobody else can, a
/// device with [`Pace::WhenAwaited`] is the better way to let streams lag: there a wait lets the
/// work be done that it needs.
#[derive(Clone, Debug)]
pub struct Host {
    running: Arc<Running>,
}

/// Ends the workers when the last handle goes.
#[derive(Debug)]
struct Running {
    engine: Arc<Engine>,
    granule: Bytes,
    mappings: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.close();
    }
}

impl Host {
    /// A device with nothing on it.
    pub fn new(setup: HostSetup) -> Result<Self, DeviceError> {
        let granule = setup.granule.get();
        if !granule.is_power_of_two() || granule < rustix::param::page_size() as u64 {
            let reason = "the granule is no power of two, or smaller than a page of the system";
            return Err(DeviceError::Invalid { call: "open the device", reason });
        }
        let memory = Memory::new(setup.total, setup.granule)?;
        let engine = Arc::new(Engine::new(memory, Streams::new(setup.pace)));
        Ok(Self {
            running: Arc::new(Running { engine, granule: setup.granule, mappings: setup.mappings }),
        })
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.running.engine
    }

    /// Writes the pattern of `seed` to `extent`. Patterns of different seeds have hardly a byte in
    /// common, and those of one seed are alike wherever they are written.
    pub fn fill(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.queue("fill", stream, Work::Fill { to: extent, seed })
    }

    /// Looks whether `extent` holds the pattern of `seed`, and complains where it does not.
    pub fn check(&self, stream: StreamId, extent: Extent, seed: u64) -> Result<(), DeviceError> {
        self.queue("check", stream, Work::Check { of: extent, seed })
    }

    /// Writes `bytes` from `addr` on.
    pub fn write(
        &self,
        stream: StreamId,
        addr: Addr,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), DeviceError> {
        let bytes = bytes.into();
        let to = extent("write", addr, Bytes::new(bytes.len() as u64))?;
        self.queue("write", stream, Work::Write { to, bytes })
    }

    /// Reads the bytes of `extent`, which can be waited for.
    pub fn read(&self, stream: StreamId, extent: Extent) -> Result<Reading, DeviceError> {
        let (reader, bytes) = channel();
        let item = Item::work(Work::Read { from: extent, reader });
        let mark = self.engine().push("read", stream, item)?;
        Ok(Reading::new(self.clone(), mark, bytes))
    }

    /// Copies the bytes of `from` to `to` and behind, as if all were read before any is written.
    pub fn copy(&self, stream: StreamId, from: Extent, to: Addr) -> Result<(), DeviceError> {
        let to = extent("copy", to, from.size())?;
        self.queue("copy", stream, Work::Copy { from, to })
    }

    /// Lets `stream` go on once the work before `event` is done (`cudaStreamWaitEvent`).
    pub fn make_wait(&self, stream: StreamId, event: EventId) -> Result<(), DeviceError> {
        let call = "make a stream wait";
        let mark = self.mark_of(call, event)?;
        self.engine().push(call, stream, Item::Wait(mark)).map(drop)
    }

    /// Holds `stream` up behind what is queued on it, until the gate is opened.
    pub fn hold(&self, stream: StreamId) -> Result<Gate, DeviceError> {
        let mark = self.engine().push("hold", stream, Item::Gate { is_open: false })?;
        Ok(Gate::new(self.clone(), mark))
    }

    /// Waits until all work queued so far is done (`cudaDeviceSynchronize`).
    pub fn wait_for_device(&self) -> Result<(), DeviceError> {
        let ends = self.engine().streams().ends();
        self.engine().wait("wait for device", &ends)
    }

    /// The work that had no access, after which the device is of no use.
    pub fn fault(&self) -> Option<Fault> {
        self.engine().streams().fault()
    }

    /// All that must not happen and did, in the order in which it was noticed.
    pub fn complaints(&self) -> Vec<Complaint> {
        self.engine().streams().complaints().to_vec()
    }

    /// How much memory the system holds for the device: what was written and not given back.
    pub fn resident(&self) -> Bytes {
        self.engine().memory().resident()
    }

    fn queue(&self, call: &'static str, stream: StreamId, work: Work) -> Result<(), DeviceError> {
        self.engine().push(call, stream, Item::work(work)).map(drop)
    }

    /// The place that an event stands for, on a device that is of use.
    fn mark_of(&self, call: &'static str, event: EventId) -> Result<Mark, DeviceError> {
        let streams = self.engine().streams();
        streams.check(call)?;
        streams.mark_of(call, event)
    }

    /// A call that changes the memory, on a device that is of use.
    fn change<T>(
        &self,
        call: &'static str,
        change: impl FnOnce(&mut Memory) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        self.engine().streams().check(call)?;
        change(&mut self.engine().memory_mut())
    }
}

fn extent(call: &'static str, start: Addr, size: Bytes) -> Result<Extent, DeviceError> {
    let nowhere = DeviceError::Invalid { call, reason: "no such addresses" };
    Extent::new(start, size).map_err(|_| nowhere)
}

impl SharedDevice for Host {}

impl Device for Host {
    fn memory(&self) -> MemoryInfo {
        self.engine().memory().info()
    }

    fn granule(&self) -> Bytes {
        self.running.granule
    }

    fn mapping_limit(&self) -> u64 {
        self.running.mappings
    }

    fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.change("allocate", |memory| memory.allocate(size))
    }

    /// Waits for all work queued so far, so that none of it is left without memory.
    fn free(&mut self, addr: Addr) -> Result<(), DeviceError> {
        self.engine().streams().check("free")?;
        self.engine().memory().check_free(addr)?;
        self.wait_for_device()?;
        self.change("free", |memory| memory.free(addr))
    }

    fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.change("reserve", |memory| memory.reserve(size))
    }

    fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.change("unreserve", |memory| memory.unreserve(reservation))
    }

    fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.change("create", |memory| memory.create(size))
    }

    fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.change("release", |memory| memory.release(handle))
    }

    fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        self.change("map", |memory| memory.map(addr, handle))
    }

    fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.change("set access", |memory| memory.set_access(range))
    }

    fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        // Asked before the memory is locked, which running work keeps locked until it is done.
        let used = self.engine().streams().use_of(range);
        self.change("unmap", |memory| memory.unmap(range))?;
        if let Some((stream, used)) = used {
            let complaint = Complaint::UnmappedInUse { unmapped: range, stream, used };
            self.engine().streams().complain(complaint);
        }
        Ok(())
    }

    fn record_event(&mut self, stream: StreamId) -> Result<EventId, DeviceError> {
        let mut streams = self.engine().streams();
        streams.check("record event")?;
        Ok(streams.record(stream))
    }

    fn is_complete(&mut self, event: EventId) -> Result<bool, DeviceError> {
        let mark = self.mark_of("query event", event)?;
        Ok(self.engine().streams().is_done(mark))
    }

    fn wait_for_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        let mark = self.mark_of("wait for event", event)?;
        self.engine().wait("wait for event", &[mark])
    }

    fn drop_event(&mut self, event: EventId) -> Result<(), DeviceError> {
        let mut streams = self.engine().streams();
        streams.check("drop event")?;
        streams.forget("drop event", event)
    }

    fn wait_for_stream(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        let end = self.engine().streams().end_of(stream);
        self.engine().wait("wait for stream", &[end])
    }
}
