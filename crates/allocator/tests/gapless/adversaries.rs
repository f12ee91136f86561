//! Programs made to fragment, and how much memory they cost at most.
//!
//! The bound is exact. A new page is taken from the device only while less is reserved than was
//! alive at most, or where each page there is shares a byte with a live block, since any other
//! would have been moved. So what is reserved at most is the larger of
//!
//! - what was alive at most, in whole pages, and
//! - the most frames that live blocks touched at once.
//!
//! Each program then bounds the second by what it does: a live block of `size` bytes touches at
//! most `size / page + 2` frames, and small blocks at most as many as they pin.

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::gapless::BlockId;
use gapless_allocator::{Allocator, GaplessAllocator, Slack};
use gapless_device::{Device, Sim, SimSetup};
use gapless_units::{Bytes, Extent, KIB, MIB, StreamId};

const PAGE: u64 = 2 * MIB;

/// An allocator, its live blocks, and the frames that they touch.
struct Bench {
    allocator: GaplessAllocator<Sim>,
    live: BTreeMap<usize, (BlockId, Extent)>,
    next: usize,
    /// For each frame how many live blocks touch it.
    touched: BTreeMap<u64, u64>,
    most_touched: usize,
    live_bytes: u64,
    live_peak: u64,
}

impl Bench {
    fn new() -> Self {
        let device = Sim::new(SimSetup::new(Bytes::gib(4096)));
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

    fn frames(extent: Extent) -> std::ops::Range<u64> {
        extent.start().get() / PAGE..extent.end().get().div_ceil(PAGE)
    }

    fn allocate(&mut self, size: u64, stream: u64) -> usize {
        let block = self.allocator.allocate(Bytes::new(size), StreamId(stream));
        let block = block.unwrap_or_else(|error| panic!("{size} on {stream}: {error}"));
        let extent = self.allocator.extent(block).unwrap_or_else(|| panic!("{block:?} is gone"));
        for frame in Self::frames(extent) {
            *self.touched.entry(frame).or_default() += 1;
        }
        self.most_touched = self.most_touched.max(self.touched.len());
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
        for frame in Self::frames(extent) {
            let count = self.touched.entry(frame).or_default();
            *count -= 1;
            if *count == 0 {
                self.touched.remove(&frame);
            }
        }
    }

    fn free_all(&mut self, names: impl IntoIterator<Item = usize>) {
        for name in names {
            self.free(name);
        }
    }

    /// Gives everything back; says how many pages were reserved at most, which is in the bound.
    fn end(mut self, most_frames: u64) {
        assert_eq!(self.allocator.check_invariants(), Ok(()));
        let reserved = self.allocator.statistics().reserved_bytes.all.peak / PAGE;
        let bound = self.live_peak.div_ceil(PAGE).max(self.most_touched as u64);
        assert!(reserved <= bound, "{reserved} pages, {bound} at most");
        assert!(reserved <= most_frames, "{reserved} pages, {most_frames} by the program");
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
#[test]
fn robsons_sequence() {
    let total = 64 * MIB;
    let (mut bench, mut names) = (Bench::new(), BTreeSet::new());
    let mut frames = 0;
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
        frames += (total - bench.live_bytes).div_ceil(PAGE) + 1;
        while bench.live_bytes + size <= total {
            names.insert(bench.allocate(size, 0));
        }
    }
    bench.end(frames);
}

/// The gaps that one size leaves are 512 bytes too small for the other.
#[test]
fn sizes_that_differ_by_the_least_step() {
    let mut bench = Bench::new();
    let size = 7 * MIB;
    let mut names = std::collections::VecDeque::new();
    for round in 0..600_u64 {
        names.push_back(bench.allocate(size + 512 * (round % 2), 0));
        if 40 < names.len() {
            let which = if round % 3 == 0 { names.len() / 2 } else { 0 };
            bench.free_all(names.remove(which));
        }
    }
    bench.end(41 * (size / PAGE + 2));
}

/// Sizes grow and fall, and each block is freed once the next one is there.
#[test]
fn sawtooth() {
    let mut bench = Bench::new();
    let mut last = None;
    for round in 0..400_u64 {
        let size = 1_300_000 * (1 + round % 100);
        let next = bench.allocate(size, 0);
        bench.free_all(last.replace(next));
    }
    let two = 2 * 130_000_000;
    bench.end(two / PAGE + 4);
}

/// A survivor of 512 bytes in each page pins it, whatever the policy. The rounds that follow
/// fill these pages first, so that only the survivors of a round need further ones.
#[test]
fn one_small_survivor_a_page() {
    let mut bench = Bench::new();
    let (rounds, pages) = (3, 100);
    for _ in 0..rounds {
        let pairs: Vec<_> =
            (0..pages).map(|_| (bench.allocate(512, 0), bench.allocate(PAGE - 512, 0))).collect();
        bench.free_all(pairs.into_iter().map(|(_, filler)| filler));
    }
    let large = bench.allocate(100 * PAGE, 0);
    bench.free(large);
    // Each survivor pins one page, and the blocks alive at most fill no more than these.
    bench.end(rounds * pages + 100 + 2);
}

/// What one stream frees others use: two streams hold blocks at a time.
#[test]
fn many_streams() {
    let mut bench = Bench::new();
    let sizes = [KIB, 300 * KIB, 3 * MIB, 11 * MIB + 512, 40 * MIB, 2 * MIB];
    let mut before: Vec<usize> = Vec::new();
    for round in 0..200_u64 {
        let now: Vec<usize> = sizes.iter().map(|&size| bench.allocate(size, round % 17)).collect();
        bench.free_all(std::mem::replace(&mut before, now));
    }
    let frames: u64 = sizes.iter().map(|size| size / PAGE + 2).sum();
    bench.end(2 * frames);
}
