//! An arena for each stream over one that all share, by first fit.
//!
//! ```text
//!   all of it    │ superblock 8 MiB │ 1 MiB │ 1 MiB │ superblock 3 MiB │  one wholly free superblock …
//!   whose          shared             stream 0 stream 1  shared             shared
//! ```
//!
//! Addresses are cut into superblocks of 1 MiB at least. A request of more than that takes, in the
//! shared arena, the superblock of the lowest address that has room, or cuts one of its size off a
//! wholly free one. Smaller requests do the same in the arena of their stream, which takes superblocks
//! from the shared one when it has no room. In a superblock the lowest free block that is large
//! enough is cut. A shared superblock that is wholly free merges with wholly free neighbors. An arena
//! keeps its superblocks until a request finds no room anywhere: then all arenas give all of theirs
//! back, used or not, after a wait for the device.
//!
//! **Host time.** Ordered maps, and a walk over the free blocks of one superblock. **Device calls.** Hardly
//! any: memory comes once and stays. **Waste.** First fit leaves gaps between blocks that live long, and
//! what one stream's superblocks hold free is lost to others until the device is stopped.
//!
//! From `arena_memory_resource` of `rapidsai/rmm`, which cites M. S. Johnstone and P. R. Wilson, "The
//! memory fragmentation problem: solved?" (1998), for first fit by address. RMM takes half of the card
//! at once, or as much as it is told, and never more. Here the arena is as large as the card and memory
//! comes under its addresses as first fit reaches them, so that what is reserved tells how large an
//! arena the program needs. Left out: size classes, off by default there as well; arenas of threads;
//! and the wait for its stream with which each free of more than 1 MiB begins there: here a free block
//! goes to another stream when the work that used it is done.

use std::collections::BTreeMap;
use std::fmt;

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, Extent, MIB, StreamId};

use super::blocks::{Blocks, State};
use super::first_fit::FirstFit;
use super::frames::Frames;
use super::holdings::{Holdings, Owner};
use super::mapping::map_all;
use super::names::At;
use super::policy::{Policy, Refusal, Want};
use super::stamp::Stamp;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this.
const UNIT: Bytes = Bytes::new(256);

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RmmArenaSettings {
    /// The least size of a superblock, and the largest request that a stream's own arena serves.
    pub superblock: Bytes,
}

impl Default for RmmArenaSettings {
    fn default() -> Self {
        Self { superblock: Bytes::new(MIB) }
    }
}

impl fmt::Display for RmmArenaSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "superblock:{}", self.superblock)
    }
}

/// A run of addresses that belongs to one arena, cut into blocks.
#[derive(Clone, Debug)]
struct Superblock {
    extent: Extent,
    /// The stream whose arena has it; none where it is shared.
    arena: Option<StreamId>,
    free: BTreeMap<Addr, At>,
    /// The largest free block.
    room: Bytes,
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct RmmArena {
    least: Bytes,
    granule: Bytes,
    /// None before the first request.
    frames: Option<Frames>,
    /// Every block's segment is its superblock.
    blocks: Blocks,
    first: At,
    superblocks: Vec<Superblock>,
    vacant: Vec<u32>,
    arenas: BTreeMap<Option<StreamId>, FirstFit<u32>>,
    /// Memory without an address.
    spare: Vec<Handle>,
    /// What a failure left mapped where no memory should be.
    ruins: Vec<Extent>,
}

impl RmmArena {
    /// The first free block with room in an arena that work on `stream` may use.
    fn find<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        arena: Option<StreamId>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Option<At>, DeviceError> {
        let Some(places) = self.arenas.get(&arena) else { return Ok(None) };
        let mut from = Addr::default();
        while let Some((addr, index)) = places.first(size, from) {
            for &at in self.superblocks[index as usize].free.values() {
                let block = &self.blocks[at];
                if size <= block.size && holdings.is_ready(block.stamp, stream)? {
                    return Ok(Some(at));
                }
            }
            from = addr + Bytes::new(1);
        }
        Ok(None)
    }

    /// Makes sure that there are addresses.
    fn begin<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        if self.frames.is_none() {
            let size = holdings.device.memory().total.round_up(self.granule);
            let extent = holdings.device.reserve(size.max(self.granule))?;
            self.frames = Some(Frames::new(extent, self.granule));
            self.first = self.blocks.add(extent, State::Free, 0);
            self.add_superblock(extent, None, Some(self.first));
        }
        Ok(())
    }

    /// Brings memory under all of an extent.
    fn ensure_memory<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        extent: Extent,
        owner: Owner,
    ) -> Result<(), Refusal> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        for run in frames.runs(frames.touched(extent), false) {
            let count = usize::try_from(run.size().get() / self.granule.get()).unwrap_or(0);
            let missing = count.saturating_sub(self.spare.len());
            let created = holdings.create_all(missing, self.granule, &mut self.spare);
            created.map_err(Refusal::to_give(run.size()))?;
            let handles = self.spare.split_off(self.spare.len() - count);
            let start = run.start();
            if let Err(unmapped) = map_all(&mut holdings.device, start, &handles, self.granule) {
                self.spare.extend(handles);
                if !unmapped.left.is_zero() {
                    self.ruins.push(Extent::between(start, start + unmapped.left));
                }
                return Err(unmapped.error.into());
            }
            frames.put(start, handles);
            holdings.tell(Action::SegmentMap, run, owner);
        }
        Ok(())
    }

    fn add_superblock(&mut self, extent: Extent, arena: Option<StreamId>, free: Option<At>) -> u32 {
        let mut superblock = Superblock { extent, arena, free: BTreeMap::new(), room: Bytes::ZERO };
        superblock.free.extend(free.map(|at| (self.blocks[at].addr, at)));
        let index = if let Some(index) = self.vacant.pop() {
            self.superblocks[index as usize] = superblock;
            index
        } else {
            self.superblocks.push(superblock);
            u32::try_from(self.superblocks.len() - 1).unwrap_or(u32::MAX)
        };
        self.enter(index);
        index
    }

    /// Enters a superblock into the book of its arena.
    fn enter(&mut self, index: u32) {
        let blocks = &self.blocks;
        let superblock = &mut self.superblocks[index as usize];
        let sizes = superblock.free.values().map(|&at| blocks[at].size);
        superblock.room = sizes.max().unwrap_or_default();
        let (addr, room) = (superblock.extent.start(), superblock.room);
        self.arenas.entry(superblock.arena).or_default().insert(addr, room, index);
    }

    /// Takes a superblock out of the book of its arena.
    fn leave(&mut self, index: u32) {
        let superblock = &self.superblocks[index as usize];
        let (addr, room) = (superblock.extent.start(), superblock.room);
        if let Some(places) = self.arenas.get_mut(&superblock.arena) {
            places.remove(addr, room);
        }
    }

    /// Hands a superblock's free block out, cut to size. A superblock that was wholly free is cut to
    /// size before, and one that a stream takes becomes its own.
    fn hand_out(&mut self, at: At, size: Bytes, arena: Option<StreamId>) -> At {
        let index = self.blocks[at].segment;
        self.leave(index);
        let superblock = &mut self.superblocks[index as usize];
        let (extent, was_shared) = (superblock.extent, superblock.arena.is_none());
        let head = size.max(self.least);
        if was_shared && self.blocks[at].extent() == extent && head + self.least <= extent.size() {
            superblock.extent = Extent::between(extent.start(), extent.start() + head);
            let tail = self.blocks.cut(at, head);
            let segment = self.add_superblock(self.blocks[tail].extent(), None, Some(tail));
            self.blocks[tail].segment = segment;
        }
        let superblock = &mut self.superblocks[index as usize];
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

    /// Merges a free block with free neighbors in its superblock; answers where it then is.
    fn merge(&mut self, mut at: At) -> At {
        let index = self.blocks[at].segment;
        let blocks = &mut self.blocks;
        let free = &mut self.superblocks[index as usize].free;
        let is_one = |blocks: &Blocks, other: At| {
            blocks[other].segment == index && blocks[other].state == State::Free
        };
        if let Some(next) = blocks.next(at).filter(|&next| is_one(blocks, next)) {
            free.remove(&blocks[next].addr);
            blocks.absorb_next(at);
        }
        if let Some(prev) = blocks.prev(at).filter(|&prev| is_one(blocks, prev)) {
            blocks.absorb_next(prev);
            at = prev;
        }
        free.insert(blocks[at].addr, at);
        at
    }

    /// Merges a shared superblock that is one free block with wholly free neighbors, and enters it.
    fn settle(&mut self, at: At) {
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
    fn is_whole(&self, at: At) -> bool {
        let block = &self.blocks[at];
        let superblock = &self.superblocks[block.segment as usize];
        block.state == State::Free
            && superblock.arena.is_none()
            && superblock.extent == block.extent()
    }

    /// Lets a wholly free superblock take in the one behind it.
    fn unite(&mut self, at: At, next: At) {
        let (into, gone) = (self.blocks[at].segment, self.blocks[next].segment);
        for index in [into, gone] {
            self.leave(index);
        }
        self.blocks.absorb_next(at);
        let gone_book = &mut self.superblocks[gone as usize];
        gone_book.extent = Extent::between(Addr::default(), Addr::default());
        gone_book.room = Bytes::ZERO;
        gone_book.free.clear();
        self.vacant.push(gone);
        self.superblocks[into as usize].extent = self.blocks[at].extent();
    }

    /// Lets all arenas give back their superblocks; says whether there were some.
    fn gather(&mut self) -> bool {
        let owned = (0..).zip(&self.superblocks).filter(|(_, it)| it.arena.is_some());
        let owned: Vec<u32> = owned.map(|(index, _)| index).collect();
        for &index in &owned {
            self.leave(index);
            self.superblocks[index as usize].arena = None;
            match self.superblocks[index as usize].free.values().next() {
                Some(&at) => self.settle(at),
                None => self.enter(index),
            }
        }
        !owned.is_empty()
    }

    /// Every run of free blocks, whatever superblocks they are in.
    fn free_runs(&self) -> Vec<Extent> {
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
}

impl Policy for RmmArena {
    type Settings = RmmArenaSettings;
    type Piece = At;

    fn new(settings: &RmmArenaSettings, granule: Bytes) -> Self {
        Self {
            least: settings.superblock.max(UNIT).round_up(UNIT),
            granule,
            frames: None,
            blocks: Blocks::default(),
            first: At::NONE,
            superblocks: Vec::new(),
            vacant: Vec::new(),
            arenas: BTreeMap::new(),
            spare: Vec::new(),
            ruins: Vec::new(),
        }
    }

    fn rounded(&self, size: Bytes) -> Bytes {
        size.max(Bytes::new(1)).round_up(UNIT)
    }

    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        want: Want,
    ) -> Result<(At, Extent), Refusal> {
        self.begin(holdings)?;
        let (size, stream) = (self.rounded(want.size), want.stream);
        let arena = Some(stream).filter(|_| size <= self.least);
        let found = match self.find(holdings, arena, size, stream)? {
            None if arena.is_some() => self.find(holdings, None, size, stream)?,
            found => found,
        };
        let at = found.ok_or(Refusal::Short(size))?;
        let addr = self.blocks[at].addr;
        let extent = Extent::between(addr, addr + size);
        self.ensure_memory(holdings, extent, want.owner())?;
        Ok((self.hand_out(at, size, arena), extent))
    }

    fn give<D: Device, O: Observer>(&mut self, _: &mut Holdings<D, O>, piece: At, stamp: Stamp) {
        self.leave(self.blocks[piece].segment);
        self.blocks[piece].state = State::Free;
        self.blocks[piece].stamp = stamp;
        let at = self.merge(piece);
        self.settle(at);
    }

    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        while let Some(&ruin) = self.ruins.last() {
            holdings.device.unmap(ruin)?;
            self.ruins.pop();
        }
        Ok(())
    }

    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        _: Want,
    ) -> Result<bool, DeviceError> {
        holdings.wait_for_all(None)?;
        Ok(self.gather())
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        self.tidy(holdings)?;
        for run in self.free_runs() {
            let Some(frames) = &mut self.frames else { continue };
            for part in frames.runs(frames.inside(run), true) {
                holdings.device.unmap(part)?;
                self.spare.extend(frames.take(part));
                holdings.tell(Action::SegmentUnmap, part, owner);
            }
        }
        while let Some(&handle) = self.spare.last() {
            holdings.release(handle, self.granule)?;
            self.spare.pop();
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.blocks.check(|one, other| {
            one.segment == other.segment && one.state == State::Free && other.state == State::Free
        })?;
        let free = self.blocks.all().filter(|&at| self.blocks[at].state == State::Free).count();
        let known: usize = self.superblocks.iter().map(|it| it.free.len()).sum();
        let with_room = self.superblocks.iter().filter(|it| !it.room.is_zero()).count();
        let entered: usize = self.arenas.values().map(FirstFit::len).sum();
        if free != known || with_room != entered {
            return Err(format!("{free} blocks are free, {known} known; {with_room}, {entered}"));
        }
        let lacks = |frames: &Frames, at: At| {
            let touched = frames.touched(self.blocks[at].extent());
            self.blocks[at].state == State::Held && !frames.runs(touched, false).is_empty()
        };
        let Some(frames) = &self.frames else { return Ok(()) };
        match self.blocks.all().find(|&at| lacks(frames, at)) {
            Some(at) => Err(format!("{:?} is held without memory", self.blocks[at])),
            None => Ok(()),
        }
    }
}
