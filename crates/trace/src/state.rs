//! Segments, blocks and gaps at one instant.

use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use crate::allocation::{Allocation, AllocationId};
use crate::instant::Instant;
use crate::mapping::Mapping;
use crate::segment::SizePool;
use crate::sizes::SizeRules;

/// Everything the allocator holds at one instant.
#[derive(Clone, Debug)]
pub struct State {
    /// When.
    pub instant: Instant,
    /// The segments in the order of addresses. A contiguous mapped range of an expandable segment
    /// is one, as in PyTorch's own snapshots.
    pub segments: Vec<Segment>,
    /// Blocks that lie in no segment or on another block; none where the recording is consistent.
    pub misplaced: Vec<AllocationId>,
    /// Whole pages that the program pinned, by address: they stay also while they are free. Only our
    /// own allocator tells, and only of the end.
    pub pinned: Vec<Extent>,
}

/// A segment at an instant. Its blocks and gaps together are all of it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its addresses.
    pub extent: Extent,
    /// The stream whose requests it serves.
    pub stream: StreamId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// Which half of the pool.
    pub size_pool: SizePool,
    /// The page it can give back memory by; `None` goes back only as a whole.
    pub page: Option<Bytes>,
    /// The blocks that are not free, in the order of addresses.
    pub blocks: Vec<Block>,
}

/// A block at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its addresses.
    pub extent: Extent,
    /// What was asked for.
    pub requested: Bytes,
    /// The allocation it serves.
    pub allocation: AllocationId,
    /// Whether the program has let go of it and it waits for another stream.
    pub pending: bool,
}

/// A free extent between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its addresses.
    pub extent: Extent,
    /// The position in [`Segment::blocks`] of the first block behind it, or the number of blocks.
    pub next_block: usize,
}

impl Segment {
    /// The free extents in the order of addresses.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> {
        let starts = std::iter::once(self.extent.start());
        let starts = starts.chain(self.blocks.iter().map(|block| block.extent.end()));
        let ends = self.blocks.iter().map(|block| block.extent.start());
        let ends = ends.chain(std::iter::once(self.extent.end()));
        starts.zip(ends).enumerate().filter_map(|(next_block, (start, end))| {
            let extent = Extent::between(start, end);
            (!extent.is_empty()).then_some(Gap { extent, next_block })
        })
    }

    /// The part of a gap that a cache flush gives back to the device: whole pages of an
    /// expandable segment, all or nothing of any other.
    pub fn releasable(&self, gap: Gap) -> Extent {
        match self.page {
            Some(page) => gap.extent.whole_pages(self.extent.start(), page),
            None if self.blocks.is_empty() => gap.extent,
            None => Extent::between(gap.extent.start(), gap.extent.start()),
        }
    }
}

impl State {
    pub(crate) fn of(
        instant: Instant,
        allocations: &[Allocation],
        mappings: &[Mapping],
        rules: &SizeRules,
        placed: bool,
    ) -> Self {
        let mut blocks: Vec<Block> = (0..)
            .map(AllocationId)
            .zip(allocations)
            .filter(|(_, allocation)| allocation.is_active(instant))
            .map(|(id, allocation)| Block {
                extent: allocation.extent(),
                requested: allocation.requested,
                allocation: id,
                pending: allocation.is_pending(instant),
            })
            .collect();
        blocks.sort_by_key(|block| (block.extent.start(), block.allocation));
        let segments = if placed {
            segments_of(instant, mappings, rules)
        } else {
            alone(&blocks, allocations, rules)
        };
        let mut state = Self { instant, segments, misplaced: Vec::new(), pinned: Vec::new() };
        state.place(blocks);
        state
    }

    fn place(&mut self, blocks: Vec<Block>) {
        let mut segments = self.segments.iter_mut().peekable();
        let mut end = Addr::default();
        for block in blocks {
            while segments.next_if(|s| s.extent.end() <= block.extent.start()).is_some() {}
            match segments.peek_mut() {
                Some(segment)
                    if segment.extent.contains(block.extent) && end <= block.extent.start() =>
                {
                    end = block.extent.end();
                    segment.blocks.push(block);
                }
                Some(_) | None => self.misplaced.push(block.allocation),
            }
        }
    }

    /// What is held from the device.
    pub fn reserved(&self) -> Bytes {
        self.segments.iter().map(|segment| segment.extent.size()).sum()
    }
}

fn segments_of(instant: Instant, mappings: &[Mapping], rules: &SizeRules) -> Vec<Segment> {
    let mut held: Vec<_> = mappings.iter().filter(|m| m.is_held(instant)).collect();
    held.sort_by_key(|mapping| mapping.extent.start());
    let mut segments: Vec<Segment> = Vec::with_capacity(held.len());
    for mapping in held {
        let key = (mapping.stream, mapping.pool, mapping.size_pool);
        if let Some(last) = segments.last_mut()
            && last.page.is_some()
            && mapping.expandable
            && last.extent.end() == mapping.extent.start()
            && (last.stream, last.pool, last.size_pool) == key
        {
            last.extent = Extent::between(last.extent.start(), mapping.extent.end());
            continue;
        }
        segments.push(Segment {
            extent: mapping.extent,
            stream: mapping.stream,
            pool: mapping.pool,
            size_pool: mapping.size_pool,
            page: mapping.expandable.then(|| rules.page(mapping.size_pool)),
            blocks: Vec::new(),
        });
    }
    segments
}

/// Where nothing is known of placement every block is a segment of its own.
fn alone(blocks: &[Block], allocations: &[Allocation], rules: &SizeRules) -> Vec<Segment> {
    let segment = |block: &Block| Segment {
        extent: block.extent,
        stream: allocations[block.allocation.index()].stream,
        pool: PoolId::DEFAULT,
        size_pool: rules.size_pool(block.extent.size()),
        page: None,
        blocks: Vec::new(),
    };
    blocks.iter().map(segment).collect()
}
