//! Programs made to fragment, in many sizes, and how much memory they cost at most.
//!
//! The bound is exact where work is done when it is asked about. A new page is then taken from the
//! device only while less is reserved than was alive at most, or where each page there is shares a
//! byte with a live block, since any other would have been moved. So what is reserved at most is
//! the larger of
//!
//! - what was alive at most, in whole pages, and
//! - the most slots that live blocks touched at once.
//!
//! Each program then bounds the second by what it does: a live block of `size` bytes touches at
//! most `size / page + 2` slots, and small blocks at most as many as they pin.

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, Slack};
use gapless_device::{Completion, Device, Sim, SimSetup};
use gapless_units::{Bytes, Extent, KIB, MIB, StreamId};
use proptest::prelude::*;

const PAGE: u64 = 2 * MIB;

/// An allocator, its live blocks, and the slots that they touch.
struct Bench {
    allocator: GaplessAllocator<Sim>,
    live: BTreeMap<usize, (BlockId, Extent)>,
    next: usize,
    /// For each slot how many live blocks touch it.
    touched: BTreeMap<u64, u64>,
    most_touched: usize,
    live_bytes: u64,
    live_peak: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with(Completion::AtOnce)
    }

    fn with(completion: Completion) -> Self {
        let device = Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::gib(4096)) });
        Self {
            allocator: GaplessAllocator::new(device, Slack::NONE, ()),
            live: BTreeMap::new(),
            next: 0,
            touched: BTreeMap::new(),
            most_touched: 0,
            live_bytes: 0,
            live_peak: 0,
        }
    }

    fn slots(extent: Extent) -> std::ops::Range<u64> {
        extent.start().get() / PAGE..extent.end().get().div_ceil(PAGE)
    }

    fn touch(&mut self, extent: Extent) {
        for slot in Self::slots(extent) {
            *self.touched.entry(slot).or_default() += 1;
        }
        self.most_touched = self.most_touched.max(self.touched.len());
    }

    fn leave(&mut self, extent: Extent) {
        for slot in Self::slots(extent) {
            let count = self.touched.entry(slot).or_default();
            *count -= 1;
            if *count == 0 {
                self.touched.remove(&slot);
            }
        }
    }

    fn allocate(&mut self, size: u64, stream: u64) -> usize {
        let stream = StreamId(stream);
        let block = self.allocator.allocate(Bytes::new(size), stream);
        let block = block.unwrap_or_else(|error| panic!("{size} on {stream}: {error}"));
        let extent = self.allocator.extent(block).unwrap_or_else(|| panic!("{block:?} is gone"));
        self.touch(extent);
        self.live_bytes += extent.size().get();
        self.live_peak = self.live_peak.max(self.live_bytes);
        self.live.insert(self.next, (block, extent));
        self.next += 1;
        self.next - 1
    }

    fn free(&mut self, name: usize) {
        let Some((block, extent)) = self.live.remove(&name) else { panic!("{name} is free") };
        assert_eq!(self.allocator.free(block), Ok(()));
        self.live_bytes -= extent.size().get();
        self.leave(extent);
    }

    fn free_all(&mut self, names: impl IntoIterator<Item = usize>) {
        for name in names {
            self.free(name);
        }
    }

    /// How many pages were reserved at most.
    fn reserved_peak(&self) -> u64 {
        self.allocator.statistics().reserved_bytes.all.peak / PAGE
    }

    /// Looks at how many pages were reserved at most, and gives everything back.
    fn end(self, most_slots: u64) {
        let reserved = self.reserved_peak();
        let bound = self.live_peak.div_ceil(PAGE).max(self.most_touched as u64);
        assert!(reserved <= bound, "{reserved} pages, {bound} at most");
        assert!(reserved <= most_slots, "{reserved} pages, {most_slots} by the program");
        self.give_back();
    }

    fn give_back(mut self) {
        assert_eq!(self.allocator.check_invariants(), Ok(()));
        let names: Vec<usize> = self.live.keys().copied().collect();
        self.free_all(names);
        assert_eq!(self.allocator.empty_cache(), Ok(()));
        let memory = self.allocator.device().memory();
        assert_eq!(memory.free, memory.total);
    }
}

/// J. M. Robson's adversary: of each size, blocks are kept that cover one offset of each chunk
/// of the next size, so that no gap takes the next size. Each round takes at most what it
/// allocates in new memory, and a page that it shares.
fn robsons_sequence(total: u64) {
    let (mut bench, mut names) = (Bench::new(), BTreeSet::new());
    let mut slots = 0;
    let mut offset = 0;
    for power in 9..=20_u32 {
        let size = 1_u64 << power;
        let half = size / 2;
        let covers = |extent: Extent, offset: u64| {
            let first = extent.start().get().saturating_sub(offset).div_ceil(size) * size + offset;
            first < extent.end().get()
        };
        // Of the two offsets the one that keeps more bytes.
        let kept = |offset| -> u64 {
            let extents = bench.live.values().map(|&(_, extent)| extent);
            extents.filter(|&extent| covers(extent, offset)).map(|e| e.size().get()).sum()
        };
        if kept(offset) < kept(offset + half) {
            offset += half;
        }
        let gone = |name: &usize| !covers(bench.live[name].1, offset);
        let gone: Vec<usize> = names.iter().copied().filter(gone).collect();
        for name in gone {
            names.remove(&name);
            bench.free(name);
        }
        slots += (total - bench.live_bytes).div_ceil(PAGE) + 1;
        while bench.live_bytes + size <= total {
            names.insert(bench.allocate(size, 0));
        }
    }
    bench.end(slots);
}

/// The gaps that one size leaves are 512 bytes too small for the other.
fn sizes_that_differ_by_the_least_step(size: u64, held: usize, rounds: u64) {
    let mut bench = Bench::new();
    let mut names = std::collections::VecDeque::new();
    for round in 0..rounds {
        names.push_back(bench.allocate(size + 512 * (round % 2), 0));
        if held < names.len() {
            let which = if round % 3 == 0 { names.len() / 2 } else { 0 };
            bench.free_all(names.remove(which));
        }
    }
    bench.end((held as u64 + 1) * ((size + 512) / PAGE + 2));
}

/// Sizes grow and fall, and each block is freed once the next one is there.
fn sawtooth(step: u64, teeth: u64, length: u64) {
    let mut bench = Bench::new();
    let mut last = None;
    for round in 0..teeth * length {
        let next = bench.allocate(step * (1 + round % length), 0);
        bench.free_all(last.replace(next));
    }
    bench.end(2 * (step * length / PAGE + 2));
}

/// A survivor of 512 bytes in each page pins it, whatever the policy. The rounds that follow
/// fill these pages first, so that only the survivors of a round need further ones.
fn one_small_survivor_a_page(rounds: u64, pages: u64) {
    let mut bench = Bench::new();
    for _ in 0..rounds {
        let pairs: Vec<_> =
            (0..pages).map(|_| (bench.allocate(512, 0), bench.allocate(PAGE - 512, 0))).collect();
        bench.free_all(pairs.into_iter().map(|(_, filler)| filler));
    }
    let large = bench.allocate(pages * PAGE, 0);
    bench.free(large);
    // Each survivor pins one page, and the blocks alive at most fill no more than these.
    bench.end(rounds * pages + pages + 2);
}

/// Every other page is pinned by 512 bytes; what lies between serves one large block as it moves.
fn half_the_pages_pinned(pages: u64) {
    let mut bench = Bench::new();
    let pairs: Vec<_> =
        (0..2 * pages).map(|_| (bench.allocate(512, 0), bench.allocate(PAGE - 512, 0))).collect();
    for (place, (survivor, filler)) in pairs.into_iter().enumerate() {
        bench.free(filler);
        if place % 2 == 0 {
            bench.free(survivor);
        }
    }
    let large = bench.allocate(pages * PAGE, 0);
    bench.free(large);
    bench.end(2 * pages + 2);
}

/// Experts get as many tokens as come, so that each step has other sizes.
fn random_experts(steps: Vec<Vec<u64>>, hidden: u64) {
    let mut bench = Bench::new();
    let mut most_slots = 0;
    let mut before: Vec<usize> = Vec::new();
    let mut slots_before = 0;
    for tokens in steps {
        let sizes = tokens.iter().map(|tokens| (tokens + 1) * hidden);
        let slots: u64 = sizes.clone().map(|size| size / PAGE + 2).sum();
        most_slots = most_slots.max(slots + slots_before);
        let now: Vec<usize> = sizes.map(|size| bench.allocate(size, 0)).collect();
        // The outputs of a step live until those of the next are there.
        bench.free_all(std::mem::replace(&mut before, now));
        slots_before = slots;
    }
    bench.end(most_slots);
}

/// What one stream frees others use: two streams hold blocks at a time.
fn many_streams(streams: u64, rounds: u64) {
    let mut bench = Bench::new();
    let sizes = [KIB, 300 * KIB, 3 * MIB, 11 * MIB + 512, 40 * MIB, 2 * MIB];
    let mut before: Vec<usize> = Vec::new();
    for round in 0..rounds {
        let now: Vec<usize> =
            sizes.iter().map(|&size| bench.allocate(size, round % streams)).collect();
        bench.free_all(std::mem::replace(&mut before, now));
    }
    let slots: u64 = sizes.iter().map(|size| size / PAGE + 2).sum();
    bench.end(2 * slots);
}

/// The same while an event of a stream is seen to be complete only when it was asked about so many
/// times: what a stream freed is its own until then, so at worst each holds one round's memory.
fn many_streams_that_lag(streams: u64, queries: u32, rounds: u64) {
    let mut bench = Bench::with(Completion::AfterQueries(queries));
    let sizes = [KIB, 300 * KIB, 3 * MIB, 11 * MIB + 512, 2 * MIB];
    let slots: u64 = sizes.iter().map(|size| size / PAGE + 2).sum();
    for round in 0..rounds {
        let stream = round % streams;
        let now: Vec<usize> = sizes.iter().map(|&size| bench.allocate(size, stream)).collect();
        bench.free_all(now);
    }
    let reserved = bench.reserved_peak();
    let most = streams.min(rounds) * slots;
    assert!(reserved <= most, "{reserved} pages, {most} by the program");
    bench.give_back();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn robsons_sequence_is_bounded(mib in 8..80_u64) {
        robsons_sequence(mib * MIB);
    }

    #[test]
    fn sizes_that_differ_are_bounded(size in 1..20_000_u64, held in 2..60_usize) {
        sizes_that_differ_by_the_least_step(size * 512, held, 400);
    }

    #[test]
    fn a_sawtooth_is_bounded(step in 1..4_000_000_u64, teeth in 1..5_u64, length in 2..80_u64) {
        sawtooth(step, teeth, length);
    }

    #[test]
    fn small_survivors_are_bounded(rounds in 1..4_u64, pages in 2..120_u64) {
        one_small_survivor_a_page(rounds, pages);
    }

    #[test]
    fn pinned_pages_are_bounded(pages in 1..120_u64) {
        half_the_pages_pinned(pages);
    }

    #[test]
    fn experts_are_bounded(
        steps in prop::collection::vec(prop::collection::vec(0..4000_u64, 8), 2..60),
        hidden in prop::sample::select(vec![1024_u64, 4096, 5120, 14336]),
    ) {
        random_experts(steps, hidden);
    }

    #[test]
    fn streams_are_bounded(streams in 1..40_u64, rounds in 1..200_u64) {
        many_streams(streams, rounds);
    }

    #[test]
    fn streams_that_lag_are_bounded(
        streams in 1..40_u64,
        queries in 0..40_u32,
        rounds in 1..200_u64,
    ) {
        many_streams_that_lag(streams, queries, rounds);
    }
}
