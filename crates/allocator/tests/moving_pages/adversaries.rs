//! Programs made to fragment. Pages that are partly alive are all the allocator can lose: at most
//! two for each live block of a page or more, and for smaller blocks what they pin between them.

use gapless_allocator::gapless::BlockId;
use gapless_allocator::{Allocator, GaplessAllocator, Slack};
use gapless_device::{Sim, SimSetup};
use gapless_units::{Bytes, StreamId};

const PAGE: u64 = 2 << 20;

struct Bench {
    allocator: GaplessAllocator<Sim>,
    blocks: Vec<Option<(BlockId, u64)>>,
    live: u64,
    live_peak: u64,
}

impl Bench {
    fn new() -> Self {
        let device = Sim::new(SimSetup::new(Bytes::gib(64)));
        let allocator = GaplessAllocator::new(device, Slack::NONE, ());
        Self { allocator, blocks: Vec::new(), live: 0, live_peak: 0 }
    }

    fn allocate(&mut self, size: u64) -> usize {
        self.allocate_on(size, StreamId::DEFAULT)
    }

    fn allocate_on(&mut self, size: u64, stream: StreamId) -> usize {
        let block = self.allocator.allocate(Bytes::new(size), stream);
        let block = block.unwrap_or_else(|error| panic!("{error}"));
        self.blocks.push(Some((block, size.next_multiple_of(512))));
        self.live += size.next_multiple_of(512);
        self.live_peak = self.live_peak.max(self.live);
        self.blocks.len() - 1
    }

    fn free(&mut self, index: usize) {
        if let Some((block, size)) = self.blocks[index].take() {
            assert_eq!(self.allocator.free(block), Ok(()));
            self.live -= size;
        }
    }

    /// What it reserved at most, beyond what was alive at most, in pages.
    fn lost_pages(&self) -> u64 {
        assert_eq!(self.allocator.check_invariants(), Ok(()));
        let reserved = self.allocator.statistics().reserved_bytes.all.peak;
        reserved.saturating_sub(self.live_peak).div_ceil(PAGE)
    }
}

#[test]
fn sawtooth_of_growing_tensors_reuses_all_pages() {
    let mut bench = Bench::new();
    let mut last = None;
    for step in 1..200_u64 {
        let next = bench.allocate(step * 3 * 1_000_000);
        if let Some(last) = last.replace(next) {
            bench.free(last);
        }
    }
    // Two blocks are alive at most, each of which may share its first and its last page.
    assert!(bench.lost_pages() <= 4, "{}", bench.lost_pages());
}

#[test]
fn sizes_that_differ_by_the_least_step_cost_nothing() {
    let mut bench = Bench::new();
    let mut held = std::collections::VecDeque::new();
    for step in 0..2000_u64 {
        held.push_back(bench.allocate(7 * 1_000_000 + 512 * (step % 2)));
        if 40 < held.len()
            && let Some(first) = held.pop_front()
        {
            bench.free(first);
        }
    }
    assert!(bench.lost_pages() <= 2 * 41, "{}", bench.lost_pages());
}

/// Each page keeps one small survivor: these pages cannot be had, whatever the policy, but the
/// survivors of the next round go into them first.
#[test]
fn small_survivors_pin_their_page_once() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        let all: Vec<usize> = (0..64 * 16).map(|_| bench.allocate(PAGE / 16)).collect();
        for (index, &block) in all.iter().enumerate() {
            if index % 16 != 5 {
                bench.free(block);
            }
        }
    }
    // The peak of a round is 64 pages and the survivors before it; only these can be apart.
    assert!(bench.lost_pages() <= 4 * 64, "{}", bench.lost_pages());
    let large = bench.allocate(100 * PAGE);
    bench.free(large);
    assert!(bench.lost_pages() <= 4 * 64 + 2, "{}", bench.lost_pages());
}

/// Robson's sequence: powers of two, every block freed that does not keep a gap too small.
/// Inside pages his bound holds: (log2 n / 2 + 1) times what is alive, n = 4096 units of 512 B.
#[test]
fn robsons_sequence_stays_below_his_bound() {
    let mut bench = Bench::new();
    let total: u64 = 32 << 20;
    let mut blocks: Vec<(usize, u64)> = Vec::new();
    for power in 9..=20_u32 {
        let size = 1_u64 << power;
        while bench.live + size <= total {
            blocks.push((bench.allocate(size), size));
        }
        // Every other block goes, so that no gap is as large as the next size.
        let mut kept = Vec::new();
        for (index, &(block, size)) in blocks.iter().enumerate() {
            if index % 2 == 0 {
                kept.push((block, size));
            } else {
                bench.free(block);
            }
        }
        blocks = kept;
    }
    let reserved = bench.allocator.statistics().reserved_bytes.all.peak;
    assert!(reserved <= 7 * total, "{reserved}");
}

/// Work on streams that is done lets whole pages go from one to another.
#[test]
fn pages_go_from_stream_to_stream() {
    let mut bench = Bench::new();
    for round in 0..50_u64 {
        let stream = StreamId(round % 5);
        let held: Vec<usize> = (1..20).map(|n| bench.allocate_on(n * 1_300_000, stream)).collect();
        for block in held {
            bench.free(block);
        }
    }
    let lost = bench.lost_pages();
    assert!(lost <= 2 * 19, "{lost}");
}
