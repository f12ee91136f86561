//! An allocator on a bench: small programs, and what they ask of the device.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{Baseline, BlockId, Policy};
use gapless_device::{CallCounts, Completion, Device, Sim, SimSetup};
use gapless_units::{Addr, Bytes, KIB, MIB, PoolId, StreamId};

pub(crate) const COMPUTE: StreamId = StreamId(0);
pub(crate) const COPY: StreamId = StreamId(1);

pub(crate) struct Bench<P: Policy> {
    pub(crate) it: Baseline<P, Sim>,
    first: Option<Addr>,
}

impl<P: Policy> Bench<P> {
    /// On a device of so many MiB whose streams are done as soon as somebody asks.
    pub(crate) fn new(mib: u64, settings: P::Settings) -> Self {
        Self::with(mib, settings, Completion::AtOnce)
    }

    /// On one whose streams are done when they are told to, or waited for.
    pub(crate) fn lagging(mib: u64, settings: P::Settings) -> Self {
        Self::with(mib, settings, Completion::WhenTold)
    }

    fn with(mib: u64, settings: P::Settings, completion: Completion) -> Self {
        let device = Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::mib(mib)) });
        Self { it: Baseline::new(device, settings, ()), first: None }
    }

    pub(crate) fn take(&mut self, kib: u64, stream: StreamId) -> BlockId {
        self.take_from(PoolId::DEFAULT, kib, stream)
    }

    pub(crate) fn take_from(&mut self, pool: PoolId, kib: u64, stream: StreamId) -> BlockId {
        let block = self.it.allocate_in(pool, Bytes::new(kib * KIB), stream);
        let block = block.unwrap_or_else(|error| panic!("{kib} KiB: {error}"));
        self.first = self.first.or(Some(self.start(block)));
        assert_eq!(self.it.check_invariants(), Ok(()));
        block
    }

    pub(crate) fn is_refused(&mut self, kib: u64, stream: StreamId) -> bool {
        self.it.allocate(Bytes::new(kib * KIB), stream).is_err()
    }

    pub(crate) fn give(&mut self, block: BlockId) {
        assert_eq!(self.it.free(block), Ok(()));
        assert_eq!(self.it.check_invariants(), Ok(()));
    }

    pub(crate) fn give_all(&mut self, blocks: Vec<BlockId>) {
        for block in blocks {
            self.give(block);
        }
    }

    pub(crate) fn start(&self, block: BlockId) -> Addr {
        self.it.extent(block).unwrap_or_else(|| panic!("{block:?} is not held")).start()
    }

    /// How far behind the first block of all one lies, in KiB.
    pub(crate) fn kib(&self, block: BlockId) -> u64 {
        let first = self.first.unwrap_or_default();
        (self.start(block) - first).get() / KIB
    }

    pub(crate) fn size_kib(&self, block: BlockId) -> u64 {
        self.it.extent(block).map_or(0, |extent| extent.size().get() / KIB)
    }

    pub(crate) fn calls(&self) -> CallCounts {
        self.it.device().calls()
    }

    /// What is held from the device, in MiB.
    pub(crate) fn reserved_mib(&self) -> u64 {
        let memory = self.it.device().memory();
        let held = (memory.total - memory.free).get();
        assert_eq!(held, self.it.statistics().reserved_bytes.all.current);
        held / MIB
    }

    /// The work queued on a stream so far is done.
    pub(crate) fn finish(&mut self, stream: StreamId) {
        self.it.device_mut().finish_work_on(stream);
    }
}
