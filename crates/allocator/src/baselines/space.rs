//! Addresses whose memory moves: where no free block is large enough, granules that lie free come
//! under a gap of addresses that is.
//!
//! ```text
//!   before   | held | free A B |  held  | free C | held |   unmapped gap …
//!   after    | held | leaving  |  held  | leaving| held | free A B C | gap …
//! ```
//!
//! The old mappings stay, *leaving*, until the work that used those addresses is done; then they are
//! unmapped, and their addresses join the gaps. Free blocks belong to the stream that used them last
//! and merge with neighbors of that stream only.

mod moves;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::blocks::{Block, Blocks, State};
use super::holdings::Holdings;
use super::names::BlockIndex;
use super::slots::Slots;
use super::stamp::Stamp;
use crate::observer::Observer;

/// The free blocks of one stream.
#[derive(Clone, Debug, Default)]
struct FreeBlocks {
    by_size: BTreeSet<(Bytes, Addr, BlockIndex)>,
    /// Those with whole granules, by when they became free.
    by_age: BTreeSet<(u64, Addr, BlockIndex)>,
}

/// Reservations, blocks in them, and memory under some.
#[derive(Clone, Debug)]
pub(super) struct Space {
    granule: Bytes,
    blocks: Blocks,
    /// By the segment of a block.
    ranges: Vec<Slots>,
    free: BTreeMap<StreamId, FreeBlocks>,
    gaps: BTreeSet<(Bytes, Addr, BlockIndex)>,
    /// For each stream the blocks whose memory moved away, in order.
    leaving: BTreeMap<StreamId, VecDeque<BlockIndex>>,
    /// Memory that a failure left without an address.
    spare: Vec<Handle>,
}

impl Space {
    pub(super) fn new(granule: Bytes) -> Self {
        Self {
            granule,
            blocks: Blocks::default(),
            ranges: Vec::new(),
            free: BTreeMap::new(),
            gaps: BTreeSet::new(),
            leaving: BTreeMap::new(),
            spare: Vec::new(),
        }
    }

    pub(super) fn extent(&self, at: BlockIndex) -> Extent {
        self.blocks[at].extent()
    }

    /// The smallest block that is large enough, of the request's own stream.
    pub(super) fn find_own(&self, size: Bytes, stream: StreamId) -> Option<BlockIndex> {
        let mut fits =
            self.free.get(&stream)?.by_size.range((size, Addr::default(), BlockIndex(0))..);
        fits.next().map(|&(_, _, at)| at)
    }

    /// The smallest block that is large enough, of other streams whose work on it is done.
    pub(super) fn find_done<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Option<BlockIndex>, DeviceError> {
        let mut best: Option<(Bytes, Addr, BlockIndex)> = None;
        for (_, free) in self.free.iter().filter(|&(&owner, _)| owner != stream) {
            for &(size, addr, at) in free.by_size.range((size, Addr::default(), BlockIndex(0))..) {
                if best.is_some_and(|best| best <= (size, addr, at)) {
                    break;
                }
                if holdings.is_ready(self.blocks[at].stamp, stream)? {
                    best = Some((size, addr, at));
                    break;
                }
            }
        }
        Ok(best.map(|(_, _, at)| at))
    }

    /// Hands out the first `size` bytes of a free block; the rest stays free.
    pub(super) fn hand_out(&mut self, at: BlockIndex, size: Bytes) -> BlockIndex {
        self.leave(at);
        if size < self.blocks[at].size {
            let rest = self.blocks.cut(at, size);
            self.enter(rest);
        }
        self.blocks[at].state = State::Held;
        at
    }

    /// Takes a block back and merges it with free neighbors of its stream.
    pub(super) fn take_back(&mut self, at: BlockIndex, stamp: Stamp) {
        self.blocks[at].state = State::Free;
        self.blocks[at].stamp = stamp;
        self.merge(at, |one, other| one.stamp.stream == other.stamp.stream);
    }

    /// Gives `stream` all that is free on other streams and done, merged with what it has; says
    /// whether there was something.
    pub(super) fn adopt<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        stream: StreamId,
    ) -> Result<bool, DeviceError> {
        let others = self.free.iter().filter(|&(&owner, _)| owner != stream);
        let others = others.flat_map(|(_, free)| &free.by_size).map(|&(_, _, at)| at);
        let mut has_adopted = false;
        for at in others.collect::<Vec<_>>() {
            if holdings.is_ready(self.blocks[at].stamp, stream)? {
                self.leave(at);
                let stamp = Stamp { stream: Some(stream), ..self.blocks[at].stamp };
                self.take_back(at, stamp);
                has_adopted = true;
            }
        }
        Ok(has_adopted)
    }

    /// Cuts a part out of a free block; the part is in no book.
    fn take_part(&mut self, at: BlockIndex, part: Extent) -> BlockIndex {
        self.leave(at);
        let cut = self.blocks.cut_out(at, part);
        for rest in [cut.left, cut.right].into_iter().flatten() {
            self.enter(rest);
        }
        cut.part
    }

    /// The whole granules in a block.
    fn granules_of(&self, at: BlockIndex) -> Extent {
        let block = &self.blocks[at];
        self.ranges[block.segment as usize].inside(block.extent())
    }

    /// Merges a block with neighbors of its state that `may` be one with it, and enters it.
    fn merge(&mut self, at: BlockIndex, may: fn(&Block, &Block) -> bool) {
        let joining = self.blocks.joining(at, may);
        joining.each().for_each(|other| self.leave(other));
        let at = self.blocks.join(at, joining);
        self.enter(at);
    }

    /// Enters a free block or a gap into the books.
    fn enter(&mut self, at: BlockIndex) {
        let Block { size, addr, state, stamp, .. } = self.blocks[at];
        match (state, stamp.stream) {
            (State::Free, Some(stream)) => {
                let has_granules = !self.granules_of(at).is_empty();
                let free = self.free.entry(stream).or_default();
                free.by_size.insert((size, addr, at));
                if has_granules {
                    free.by_age.insert((stamp.time, addr, at));
                }
            }
            (State::Unmapped, _) => {
                self.blocks[at].stamp = Stamp::UNUSED;
                self.gaps.insert((size, addr, at));
            }
            (State::Free, None) | (State::Held | State::Leaving, _) => {}
        }
    }

    /// Takes a free block or a gap out of the books.
    fn leave(&mut self, at: BlockIndex) {
        let Block { size, addr, state, stamp, .. } = self.blocks[at];
        if state == State::Unmapped {
            self.gaps.remove(&(size, addr, at));
        } else if let Some(free) = stamp.stream.and_then(|stream| self.free.get_mut(&stream)) {
            free.by_size.remove(&(size, addr, at));
            free.by_age.remove(&(stamp.time, addr, at));
        }
    }

    /// What is wrong with the books, where something is.
    pub(super) fn check(&self) -> Result<(), String> {
        self.blocks.check(|one, other| match (one.state, other.state) {
            (State::Free, State::Free) => one.stamp.stream == other.stamp.stream,
            (State::Unmapped, State::Unmapped) => true,
            (State::Free | State::Unmapped | State::Held | State::Leaving, _) => false,
        })?;
        let count = |state| self.blocks.all().filter(|&at| self.blocks[at].state == state).count();
        let free: usize = self.free.values().map(|free| free.by_size.len()).sum();
        let leaving: usize = self.leaving.values().map(VecDeque::len).sum();
        let known = [free, self.gaps.len(), leaving];
        let counted = [count(State::Free), count(State::Unmapped), count(State::Leaving)];
        if known != counted {
            return Err(format!("{counted:?} free blocks, gaps and leaving, not {known:?}"));
        }
        for at in self.blocks.all() {
            let block = &self.blocks[at];
            let slots = &self.ranges[block.segment as usize];
            let lacks = !slots.runs(slots.touched(block.extent()), false).is_empty();
            let has = !slots.runs(slots.inside(block.extent()), true).is_empty();
            let is_wrong = match block.state {
                State::Held | State::Free => lacks,
                State::Unmapped | State::Leaving => has,
            };
            if is_wrong {
                return Err(format!("{block:?} has memory or has none, unlike its state"));
            }
        }
        Ok(())
    }
}
