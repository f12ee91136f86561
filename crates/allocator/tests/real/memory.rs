//! Real memory that streams write and read: the host's, or a card's.

use gapless_device::{Cuda, CudaSetup, CudaWork, Device, Host, SharedDevice};
use gapless_units::{Bytes, Extent, StreamId};

/// What a program does with memory, and what it sees of it.
pub(super) trait Memory: Sync {
    /// What gives the memory.
    type Device: SharedDevice + Send;

    /// A handle of it.
    fn device(&self) -> Self::Device;
    /// The stream that a program calls by this number.
    fn stream(&self, number: u64) -> StreamId;
    /// Writes the pattern of a seed.
    fn fill(&self, stream: StreamId, extent: Extent, seed: u64);
    /// Looks whether it is there.
    fn check(&self, stream: StreamId, extent: Extent, seed: u64);
    /// Lets the work of one stream that comes now wait for that of another.
    fn let_follow(&self, first: StreamId, second: StreamId);
    fn wait_for_device(&self);
    /// What was wrong until now, as far as that is known without a wait.
    fn complaint(&self) -> Option<String>;
    /// What is held of the device.
    fn used(&self) -> Bytes;
    /// Stops where anything is held or wrong.
    fn check_empty(&self);
}

impl Memory for Host {
    type Device = Self;

    fn device(&self) -> Self {
        self.clone()
    }

    fn stream(&self, number: u64) -> StreamId {
        StreamId(number)
    }

    fn fill(&self, stream: StreamId, extent: Extent, seed: u64) {
        self.fill(stream, extent, seed).unwrap();
    }

    fn check(&self, stream: StreamId, extent: Extent, seed: u64) {
        self.check(stream, extent, seed).unwrap();
    }

    fn let_follow(&self, first: StreamId, second: StreamId) {
        let mut host = self.clone();
        let event = host.record_event(first).unwrap();
        self.make_wait(second, event).unwrap();
        host.drop_event(event).unwrap();
    }

    fn wait_for_device(&self) {
        self.wait_for_device().unwrap();
    }

    fn complaint(&self) -> Option<String> {
        self.complaints().first().map(|complaint| format!("{complaint:?}"))
    }

    fn used(&self) -> Bytes {
        let memory = self.memory();
        memory.total - memory.free
    }

    fn check_empty(&self) {
        assert_eq!(Memory::used(self), Bytes::ZERO);
        assert_eq!(self.resident(), Bytes::ZERO);
    }
}

/// A card, with the work that its streams do.
pub(super) struct Card {
    cuda: Cuda,
    work: CudaWork,
    streams: Vec<StreamId>,
}

/// Before so many patterns a stream is kept busy for so long, so that it lags behind.
const LAG_EVERY: u64 = 16;
const LAG_NANOS: u64 = 200_000;

impl Card {
    /// The first card, of which so much may be taken; none where there is none.
    pub(super) fn open(limit: Bytes, streams: u64) -> Option<Self> {
        let cuda = Cuda::open(CudaSetup { ordinal: 0, limit: Some(limit) }).ok()?;
        let work = CudaWork::new(cuda.clone()).unwrap();
        let streams = (0..streams).map(|_| cuda.make_stream().unwrap()).collect();
        Some(Self { cuda, work, streams })
    }
}

impl Memory for Card {
    type Device = Cuda;

    fn device(&self) -> Cuda {
        self.cuda.clone()
    }

    fn stream(&self, number: u64) -> StreamId {
        self.streams[usize::try_from(number).unwrap()]
    }

    fn fill(&self, stream: StreamId, extent: Extent, seed: u64) {
        if seed.is_multiple_of(LAG_EVERY) {
            self.work.delay(stream, LAG_NANOS).unwrap();
        }
        self.work.fill(stream, extent, seed).unwrap();
    }

    fn check(&self, stream: StreamId, extent: Extent, seed: u64) {
        self.work.check(stream, extent, seed).unwrap();
    }

    fn let_follow(&self, first: StreamId, second: StreamId) {
        let mut cuda = self.cuda.clone();
        let event = cuda.record_event(first).unwrap();
        cuda.make_wait(second, event).unwrap();
        cuda.drop_event(event).unwrap();
    }

    fn wait_for_device(&self) {
        self.cuda.wait_for_device().unwrap();
    }

    /// What was counted is only known with a wait, and so looked at in the end.
    fn complaint(&self) -> Option<String> {
        None
    }

    fn used(&self) -> Bytes {
        self.cuda.used()
    }

    fn check_empty(&self) {
        assert_eq!(self.work.wrong_words().unwrap(), 0);
        assert_eq!(self.cuda.used(), Bytes::ZERO);
    }
}
