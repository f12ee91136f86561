//! Superblocks: runs of addresses cut into blocks, each in the arena of a stream or the shared one.

use std::collections::BTreeMap;

use gapless_device::{Device, DeviceError};
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::blocks::{Block, Blocks, State};
use super::first_fit::FirstFit;
use super::holdings::Holdings;
use super::names::BlockIndex;
use super::stamp::Stamp;
use crate::observer::Observer;

/// A run of addresses that belongs to one arena, cut into blocks.
#[derive(Clone, Debug)]
struct Superblock {
    extent: Extent,
    /// The stream whose arena has it; none where it is shared.
    arena: Option<StreamId>,
    free: BTreeMap<Addr, BlockIndex>,
    /// The largest free block.
    room: Bytes,
}

/// All superblocks of one range of addresses.
#[derive(Clone, Debug)]
pub(super) struct Superblocks {
    /// The least size of one.
    least: Bytes,
    /// Every block's segment is its superblock.
    blocks: Blocks,
    first: BlockIndex,
    all: Vec<Superblock>,
    vacant: Vec<u32>,
    arenas: BTreeMap<Option<StreamId>, FirstFit<u32>>,
}

impl Superblocks {
    /// None yet.
    pub(super) fn new(least: Bytes) -> Self {
        Self {
            least,
            blocks: Blocks::default(),
            first: BlockIndex::NONE,
            all: Vec::new(),
            vacant: Vec::new(),
            arenas: BTreeMap::new(),
        }
    }

    /// The range of addresses: one shared superblock that is wholly free.
    pub(super) fn begin(&mut self, range: Extent) {
        self.first = self.blocks.add(range, State::Free, 0);
        self.add_superblock(range, None, Some(self.first));
    }

    pub(super) fn block(&self, at: BlockIndex) -> &Block {
        &self.blocks[at]
    }

    /// The first free block with room in an arena that work on `stream` may use.
    pub(super) fn find<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        arena: Option<StreamId>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Option<BlockIndex>, DeviceError> {
        let Some(places) = self.arenas.get(&arena) else { return Ok(None) };
        let mut from = Addr::default();
        while let Some((addr, index)) = places.first(size, from) {
            for &at in self.all[index as usize].free.values() {
                let block = &self.blocks[at];
                if size <= block.size && holdings.is_ready(block.stamp, stream)? {
                    return Ok(Some(at));
                }
            }
            from = addr + Bytes::new(1);
        }
        Ok(None)
    }

    /// Hands a superblock's free block out, cut to size. A superblock that was wholly free is cut to
    /// size before, and one that a stream takes becomes its own.
    pub(super) fn hand_out(
        &mut self,
        at: BlockIndex,
        size: Bytes,
        arena: Option<StreamId>,
    ) -> BlockIndex {
        let index = self.blocks[at].segment;
        self.leave(index);
        let superblock = &mut self.all[index as usize];
        let (extent, was_shared) = (superblock.extent, superblock.arena.is_none());
        let head = size.max(self.least);
        if was_shared && self.blocks[at].extent() == extent && head + self.least <= extent.size() {
            superblock.extent = Extent::between(extent.start(), extent.start() + head);
            let tail = self.blocks.cut(at, head);
            let segment = self.add_superblock(self.blocks[tail].extent(), None, Some(tail));
            self.blocks[tail].segment = segment;
        }
        let superblock = &mut self.all[index as usize];
        superblock.arena = superblock.arena.or(arena);
        superblock.free.remove(&self.blocks[at].addr);
        if size < self.blocks[at].size {
            let rest = self.blocks.cut(at, size);
            superblock.free.insert(self.blocks[rest].addr, rest);
        }
        self.blocks[at].state = State::Held;
        self.enter(index);
        at
    }

    /// Takes a block back.
    pub(super) fn take_back(&mut self, at: BlockIndex, stamp: Stamp) {
        self.leave(self.blocks[at].segment);
        self.blocks[at].state = State::Free;
        self.blocks[at].stamp = stamp;
        let at = self.merge(at);
        self.settle(at);
    }

    /// Lets all arenas give back their superblocks; says whether there were some.
    pub(super) fn gather(&mut self) -> bool {
        let owned = (0..).zip(&self.all).filter(|(_, it)| it.arena.is_some());
        let owned: Vec<u32> = owned.map(|(index, _)| index).collect();
        for &index in &owned {
            self.leave(index);
            self.all[index as usize].arena = None;
            match self.all[index as usize].free.values().next() {
                Some(&at) => self.settle(at),
                None => self.enter(index),
            }
        }
        !owned.is_empty()
    }

    /// Every run of free blocks, whatever superblocks they are in.
    pub(super) fn free_runs(&self) -> Vec<Extent> {
        let mut runs: Vec<Extent> = Vec::new();
        let first = self.first.some();
        for at in std::iter::successors(first, |&at| self.blocks.next(at)) {
            let block = &self.blocks[at];
            if block.state == State::Free {
                match runs.last_mut().filter(|run| run.end() == block.addr) {
                    Some(run) => *run = Extent::between(run.start(), block.end()),
                    None => runs.push(block.extent()),
                }
            }
        }
        runs
    }

    fn add_superblock(
        &mut self,
        extent: Extent,
        arena: Option<StreamId>,
        free: Option<BlockIndex>,
    ) -> u32 {
        let mut superblock = Superblock { extent, arena, free: BTreeMap::new(), room: Bytes::ZERO };
        superblock.free.extend(free.map(|at| (self.blocks[at].addr, at)));
        let index = if let Some(index) = self.vacant.pop() {
            self.all[index as usize] = superblock;
            index
        } else {
            self.all.push(superblock);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        };
        self.enter(index);
        index
    }

    /// Enters a superblock into the book of its arena.
    fn enter(&mut self, index: u32) {
        let blocks = &self.blocks;
        let superblock = &mut self.all[index as usize];
        let sizes = superblock.free.values().map(|&at| blocks[at].size);
        superblock.room = sizes.max().unwrap_or_default();
        let (addr, room) = (superblock.extent.start(), superblock.room);
        self.arenas.entry(superblock.arena).or_default().insert(addr, room, index);
    }

    /// Takes a superblock out of the book of its arena.
    fn leave(&mut self, index: u32) {
        let superblock = &self.all[index as usize];
        let (addr, room) = (superblock.extent.start(), superblock.room);
        if let Some(places) = self.arenas.get_mut(&superblock.arena) {
            places.remove(addr, room);
        }
    }

    /// Merges a free block with free neighbors in its superblock; answers where it then is.
    fn merge(&mut self, at: BlockIndex) -> BlockIndex {
        let joining = self.blocks.joining(at, |one, other| one.segment == other.segment);
        let free = &mut self.all[self.blocks[at].segment as usize].free;
        for other in joining.each() {
            free.remove(&self.blocks[other].addr);
        }
        let at = self.blocks.join(at, joining);
        free.insert(self.blocks[at].addr, at);
        at
    }

    /// Merges a shared superblock that is one free block with wholly free neighbors, and enters it.
    fn settle(&mut self, at: BlockIndex) {
        let mut at = at;
        if self.is_whole(at) {
            if let Some(next) = self.blocks.next(at).filter(|&next| self.is_whole(next)) {
                self.unite(at, next);
            }
            if let Some(prev) = self.blocks.prev(at).filter(|&prev| self.is_whole(prev)) {
                self.unite(prev, at);
                at = prev;
            }
        }
        self.enter(self.blocks[at].segment);
    }

    /// Whether a block is all of a shared superblock, and free.
    fn is_whole(&self, at: BlockIndex) -> bool {
        let block = &self.blocks[at];
        let superblock = &self.all[block.segment as usize];
        block.state == State::Free
            && superblock.arena.is_none()
            && superblock.extent == block.extent()
    }

    /// Lets a wholly free superblock take in the one behind it.
    fn unite(&mut self, at: BlockIndex, next: BlockIndex) {
        let (into, gone) = (self.blocks[at].segment, self.blocks[next].segment);
        for index in [into, gone] {
            self.leave(index);
        }
        self.blocks.absorb_next(at);
        let gone_book = &mut self.all[gone as usize];
        gone_book.extent = Extent::between(Addr::default(), Addr::default());
        gone_book.room = Bytes::ZERO;
        gone_book.free.clear();
        self.vacant.push(gone);
        self.all[into as usize].extent = self.blocks[at].extent();
    }

    /// What is wrong with the books, where something is.
    pub(super) fn check(&self) -> Result<(), String> {
        self.blocks.check(|one, other| {
            one.segment == other.segment && one.state == State::Free && other.state == State::Free
        })?;
        let free = self.blocks.all().filter(|&at| self.blocks[at].state == State::Free).count();
        let known: usize = self.all.iter().map(|it| it.free.len()).sum();
        let with_room = self.all.iter().filter(|it| !it.room.is_zero()).count();
        let entered: usize = self.arenas.values().map(FirstFit::len).sum();
        if free != known || with_room != entered {
            return Err(format!("{free} blocks are free, {known} known; {with_room}, {entered}"));
        }
        Ok(())
    }

    /// Every block that is not free.
    pub(super) fn held(&self) -> impl Iterator<Item = &Block> {
        let all = self.blocks.all().map(|at| &self.blocks[at]);
        all.filter(|block| block.state == State::Held)
    }
}
