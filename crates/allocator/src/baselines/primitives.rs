//! Primitive blocks: segments of granules, each a handle of its own, cut between granules.
//!
//! A granule knows the stitched blocks that map it too, so that taking or giving a primitive block
//! tells them.

use std::collections::{BTreeMap, BTreeSet};

use gapless_device::Handle;
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::blocks::{Block, Blocks, State};
use super::names::BlockIndex;
use super::stamp::Stamp;
use super::stitched::{Stitch, StitchedBlocks};

/// A granule of memory.
#[derive(Clone, Debug)]
struct Granule {
    handle: Handle,
    /// The stitched blocks that map it.
    stitched: Vec<Stitch>,
}

/// A reservation with memory under all of it.
#[derive(Clone, Debug)]
struct Segment {
    extent: Extent,
    stream: StreamId,
    granules: Vec<Granule>,
}

/// All primitive blocks. Each belongs to the stream it was made for.
#[derive(Clone, Debug)]
pub(super) struct Primitives {
    granule: Bytes,
    blocks: Blocks,
    /// By the segment of a block.
    segments: Vec<Option<Segment>>,
    vacant: Vec<u32>,
    free: BTreeMap<StreamId, FreeBlocks>,
    by_addr: BTreeMap<Addr, BlockIndex>,
}

/// The free blocks of one stream.
#[derive(Clone, Debug, Default)]
struct FreeBlocks {
    by_size: BTreeSet<(Bytes, Addr, BlockIndex)>,
    bytes: Bytes,
}

impl Primitives {
    pub(super) fn new(granule: Bytes) -> Self {
        Self {
            granule,
            blocks: Blocks::default(),
            segments: Vec::new(),
            vacant: Vec::new(),
            free: BTreeMap::new(),
            by_addr: BTreeMap::new(),
        }
    }

    pub(super) fn extent(&self, at: BlockIndex) -> Extent {
        self.blocks[at].extent()
    }

    /// All that is free on a stream.
    pub(super) fn free_bytes(&self, stream: StreamId) -> Bytes {
        self.free.get(&stream).map_or(Bytes::ZERO, |free| free.bytes)
    }

    /// The smallest free block of at least this size.
    pub(super) fn smallest(&self, size: Bytes, stream: StreamId) -> Option<(Bytes, BlockIndex)> {
        let free = self.free.get(&stream)?;
        let mut fits = free.by_size.range((size, Addr::default(), BlockIndex(0))..);
        fits.next().map(|&(size, _, at)| (size, at))
    }

    /// Free extents of a stream, the largest first, that together have `size`; the last is cut.
    pub(super) fn largest(&self, size: Bytes, stream: StreamId) -> Vec<Extent> {
        let mut missing = size;
        let mut parts = Vec::new();
        let free = self.free.get(&stream).into_iter().flat_map(|free| free.by_size.iter().rev());
        for &(size, addr, _) in free {
            if missing.is_zero() {
                break;
            }
            let taken = size.min(missing);
            missing -= taken;
            parts.push(Extent::between(addr, addr + taken));
        }
        parts
    }

    /// The handles under extents of primitive blocks, in order.
    pub(super) fn handles(&self, parts: &[Extent]) -> Vec<Handle> {
        let granules = parts.iter().flat_map(|&part| self.granules_at(part));
        granules.map(|granule| granule.handle).collect()
    }

    fn granules_at(&self, part: Extent) -> &[Granule] {
        let before = self.by_addr.range(..=part.start()).next_back();
        let segment = before.map(|(_, &at)| self.blocks[at].segment);
        segment.map_or(&[], |segment| self.granules_in(segment, part))
    }

    fn granules_in(&self, segment: u32, part: Extent) -> &[Granule] {
        let Some(segment) = self.segments.get(segment as usize).and_then(Option::as_ref) else {
            return &[];
        };
        let number = |addr: Addr| {
            let number = (addr - segment.extent.start()).get() / self.granule.get();
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        segment.granules.get(number(part.start())..number(part.end())).unwrap_or_default()
    }

    /// Adds a segment that is one free block.
    pub(super) fn add(
        &mut self,
        extent: Extent,
        handles: Vec<Handle>,
        stream: StreamId,
    ) -> BlockIndex {
        let granules = handles.into_iter().map(|handle| Granule { handle, stitched: Vec::new() });
        let segment = Some(Segment { extent, stream, granules: granules.collect() });
        let index = if let Some(index) = self.vacant.pop() {
            self.segments[index as usize] = segment;
            index
        } else {
            self.segments.push(segment);
            u32::try_from(self.segments.len() - 1).unwrap_or(u32::MAX)
        };
        let at = self.blocks.add(extent, State::Free, index);
        self.by_addr.insert(extent.start(), at);
        self.enter(at);
        at
    }

    /// Takes a part of a free block into use.
    pub(super) fn hand_out(
        &mut self,
        part: Extent,
        stitched: &mut StitchedBlocks,
    ) -> Option<BlockIndex> {
        let (_, &at) = self.by_addr.range(..=part.start()).next_back()?;
        self.leave(at);
        let cut = self.blocks.cut_out(at, part);
        for rest in [cut.left, cut.right].into_iter().flatten() {
            self.enter(rest);
        }
        for at in [Some(cut.part), cut.right].into_iter().flatten() {
            self.by_addr.insert(self.blocks[at].addr, at);
        }
        self.blocks[cut.part].state = State::Held;
        for granule in self.granules_in(self.blocks[cut.part].segment, part) {
            granule.stitched.iter().for_each(|&stitch| stitched.occupy(stitch));
        }
        Some(cut.part)
    }

    /// Takes a block back, which merges with its free neighbors.
    pub(super) fn take_back(
        &mut self,
        at: BlockIndex,
        stamp: Stamp,
        stitched: &mut StitchedBlocks,
    ) {
        let Block { segment, .. } = self.blocks[at];
        for granule in self.granules_in(segment, self.extent(at)) {
            granule.stitched.iter().for_each(|&stitch| stitched.vacate(stitch));
        }
        self.blocks[at].state = State::Free;
        self.blocks[at].stamp = stamp;
        let joining = self.blocks.joining(at, |_, _| true);
        for other in joining.each() {
            self.leave(other);
            // No block begins any more where the second of the two did.
            self.by_addr.remove(&self.blocks[at].addr.max(self.blocks[other].addr));
        }
        let at = self.blocks.join(at, joining);
        self.enter(at);
    }

    /// Notes that a stitched block maps the memory at these extents.
    pub(super) fn note_stitched(&mut self, parts: &[Extent], stitch: Stitch) {
        self.each_granule(parts, |granule| granule.stitched.push(stitch));
    }

    /// Notes that a stitched block is gone.
    pub(super) fn forget_stitched(&mut self, parts: &[Extent], stitch: Stitch) {
        self.each_granule(parts, |granule| granule.stitched.retain(|&other| other != stitch));
    }

    fn each_granule(&mut self, parts: &[Extent], change: impl Fn(&mut Granule)) {
        for &part in parts {
            let before = self.by_addr.range(..=part.start()).next_back();
            let Some(index) = before.map(|(_, &at)| self.blocks[at].segment) else { continue };
            let Some(segment) = &mut self.segments[index as usize] else { continue };
            let first = (part.start() - segment.extent.start()).get() / self.granule.get();
            let count = part.size().get() / self.granule.get();
            let granules = segment.granules.iter_mut();
            let skipped = usize::try_from(first).unwrap_or(usize::MAX);
            let taken = usize::try_from(count).unwrap_or(usize::MAX);
            granules.skip(skipped).take(taken).for_each(&change);
        }
    }

    /// Segments that are one free block, by address.
    pub(super) fn whole_segments(&self) -> Vec<BlockIndex> {
        let all = self.by_addr.values().copied();
        all.filter(|&at| self.is_free(at) && self.blocks.is_alone(at)).collect()
    }

    /// The stitched blocks that map memory of a segment.
    pub(super) fn stitched_over(&self, at: BlockIndex) -> BTreeSet<Stitch> {
        let granules = self.granules_in(self.blocks[at].segment, self.extent(at));
        granules.iter().flat_map(|granule| &granule.stitched).copied().collect()
    }

    /// Forgets a segment that is one free block; answers its memory.
    pub(super) fn remove(&mut self, at: BlockIndex) -> Vec<Handle> {
        self.leave(at);
        self.by_addr.remove(&self.blocks[at].addr);
        let index = self.blocks[at].segment;
        self.blocks.remove(at);
        self.vacant.push(index);
        let segment = self.segments[index as usize].take();
        let granules = segment.into_iter().flat_map(|segment| segment.granules);
        granules.map(|granule| granule.handle).collect()
    }

    fn is_free(&self, at: BlockIndex) -> bool {
        self.blocks[at].state == State::Free
    }

    fn free_of(&mut self, at: BlockIndex) -> (&mut FreeBlocks, Bytes, Addr) {
        let Block { segment, size, addr, .. } = self.blocks[at];
        let stream = self.segments[segment as usize].as_ref().map(|segment| segment.stream);
        (self.free.entry(stream.unwrap_or(StreamId(0))).or_default(), size, addr)
    }

    fn enter(&mut self, at: BlockIndex) {
        let (free, size, addr) = self.free_of(at);
        free.by_size.insert((size, addr, at));
        free.bytes += size;
    }

    fn leave(&mut self, at: BlockIndex) {
        let (free, size, addr) = self.free_of(at);
        free.by_size.remove(&(size, addr, at));
        free.bytes -= size;
    }

    /// What is wrong with the books, where something is.
    pub(super) fn check(&self) -> Result<(), String> {
        self.blocks.check(|one, other| one.state == State::Free && other.state == State::Free)?;
        let free = self.blocks.all().filter(|&at| self.is_free(at)).count();
        let known: usize = self.free.values().map(|free| free.by_size.len()).sum();
        let all = self.blocks.all().count();
        if free != known || all != self.by_addr.len() {
            return Err(format!("{free} of {all} blocks are free, {known} are known"));
        }
        Ok(())
    }
}
