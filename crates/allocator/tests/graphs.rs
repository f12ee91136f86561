//! Graphs that are captured on a card, where there is one, and run again while the allocator goes on.

#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, Slack};
use gapless_device::{Cuda, CudaSetup, CudaWork};
use gapless_units::{Bytes, Extent, KIB, PoolId, StreamId};

const GRAPH: PoolId = PoolId(0, 1);

/// An allocator on a card of which little may be taken, and work for its streams.
struct Bench {
    card: Cuda,
    work: CudaWork,
    allocator: GaplessAllocator<Cuda>,
    next_seed: u64,
}

/// A block, full of the pattern of a seed.
#[derive(Clone, Copy)]
struct Filled {
    block: BlockId,
    extent: Extent,
    stream: StreamId,
    seed: u64,
}

impl Bench {
    fn open(limit: Bytes) -> Option<Self> {
        let card = Cuda::open(CudaSetup { ordinal: 0, limit: Some(limit) }).ok()?;
        let work = CudaWork::new(card.clone()).unwrap();
        let allocator = GaplessAllocator::new(card.clone(), Slack::NONE, ());
        Some(Self { card, work, allocator, next_seed: 0 })
    }

    fn fill(&mut self, pool: PoolId, size: Bytes, stream: StreamId) -> Option<Filled> {
        let block = self.allocator.allocate_in(pool, size, stream).ok()?;
        let extent = self.allocator.extent(block).unwrap();
        self.next_seed += 1;
        let filled = Filled { block, extent, stream, seed: self.next_seed };
        self.work.fill(stream, extent, filled.seed).unwrap();
        Some(filled)
    }

    fn check(&self, filled: Filled) {
        self.work.check(filled.stream, filled.extent, filled.seed).unwrap();
    }

    /// Looks whether a block is what it should be, as the last thing before it is freed.
    fn give_back(&mut self, filled: Filled) {
        self.check(filled);
        self.allocator.free(filled.block).unwrap();
    }

    /// Takes all that is left, in blocks of several sizes, and gives it back; how much that was.
    fn take_all(&mut self, streams: [StreamId; 2], meanwhile: impl FnOnce(&mut Self)) -> Bytes {
        let mut held = Vec::new();
        for size in [5 * 1024, 3 * 1024 + 512, 2048, 700, 64] {
            let size = Bytes::new(size * KIB);
            while let Some(filled) = self.fill(PoolId::DEFAULT, size, streams[held.len() % 2]) {
                held.push(filled);
            }
        }
        meanwhile(self);
        let bytes = held.iter().map(|filled| filled.extent.size()).sum();
        for filled in held {
            self.give_back(filled);
        }
        bytes
    }
}

/// During a capture the allocator calls the driver for nothing that would spoil it, though it takes new
/// pages; and the graph's blocks stay its own until its pool is over, wherever else pages move.
#[test]
fn a_graph_runs_again_where_its_blocks_were() {
    let Some(mut it) = Bench::open(Bytes::mib(64)) else { return };
    let streams = [(); 2].map(|()| it.card.make_stream().unwrap());
    let [captured_on, other] = streams;
    it.take_all(streams, |_| ());
    it.card.wait_for_device().unwrap();
    it.allocator.empty_cache().unwrap();
    let some = it.fill(PoolId::DEFAULT, Bytes::mib(9), other).unwrap();
    it.give_back(some);

    it.allocator.begin_capture();
    it.work.begin_capture(captured_on).unwrap();
    let first = it.fill(GRAPH, Bytes::mib(6), captured_on).unwrap();
    let gone = it.fill(GRAPH, Bytes::mib(3), captured_on).unwrap();
    it.allocator.free(gone.block).unwrap();
    let second = it.fill(GRAPH, Bytes::mib(3), captured_on).unwrap();
    // Others go on beside it: with pages of their own stream, and with new ones.
    let beside = it.fill(PoolId::DEFAULT, Bytes::mib(12), other).unwrap();
    let mut graph = it.work.end_capture(captured_on).unwrap();
    it.allocator.end_capture().unwrap();
    it.give_back(beside);
    for block in [first.block, second.block] {
        it.allocator.free(block).unwrap();
    }

    let graphs = Bytes::mib(9);
    for _ in 0..20 {
        let served = it.take_all(streams, |it| {
            graph.launch(captured_on).unwrap();
            it.check(first);
            it.check(second);
        });
        assert!(Bytes::mib(48) < served && served <= Bytes::mib(64) - graphs, "{served}");
    }
    it.card.wait_for_device().unwrap();
    assert_eq!(it.work.wrong_words().unwrap(), 0);
    drop(graph);
    it.allocator.end_pool(GRAPH);
    let served = it.take_all(streams, |_| ());
    assert!(Bytes::mib(62) < served, "the pool's pages serve others: {served}");
    it.card.wait_for_device().unwrap();
    it.allocator.empty_cache().unwrap();
    assert_eq!(it.card.used(), Bytes::ZERO);
    assert_eq!(it.work.wrong_words().unwrap(), 0);
}
