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

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::blocks::{Block, Blocks, State};
use super::frames::Frames;
use super::holdings::{Holdings, Owner};
use super::mapping::map_all;
use super::names::At;
use super::policy::{Refusal, Want};
use super::stamp::Stamp;
use crate::observer::Observer;

/// Addresses are reserved by so many times the device, so that gaps are found although old mappings
/// linger.
const PER_DEVICE: u64 = 2;

/// And by at most so much, unless one request is larger.
const LARGEST_RESERVATION: Bytes = Bytes::gib(512);

/// The free blocks of one stream.
#[derive(Clone, Debug, Default)]
struct FreeBlocks {
    by_size: BTreeSet<(Bytes, Addr, At)>,
    /// Those with whole granules, by when they became free.
    by_age: BTreeSet<(u64, Addr, At)>,
}

/// Reservations, blocks in them, and memory under some.
#[derive(Clone, Debug)]
pub(super) struct Space {
    granule: Bytes,
    blocks: Blocks,
    /// By the segment of a block.
    ranges: Vec<Frames>,
    free: BTreeMap<StreamId, FreeBlocks>,
    gaps: BTreeSet<(Bytes, Addr, At)>,
    /// For each stream the blocks whose memory moved away, in order.
    leaving: BTreeMap<StreamId, VecDeque<At>>,
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

    pub(super) fn extent(&self, at: At) -> Extent {
        self.blocks[at].extent()
    }

    /// The smallest block that is large enough, of the request's own stream.
    pub(super) fn find_own(&self, size: Bytes, stream: StreamId) -> Option<At> {
        let mut fits = self.free.get(&stream)?.by_size.range((size, Addr::default(), At(0))..);
        fits.next().map(|&(_, _, at)| at)
    }

    /// The smallest block that is large enough, of other streams whose work on it is done.
    pub(super) fn find_done<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Option<At>, DeviceError> {
        let mut best: Option<(Bytes, Addr, At)> = None;
        for (_, free) in self.free.iter().filter(|&(&owner, _)| owner != stream) {
            for &(size, addr, at) in free.by_size.range((size, Addr::default(), At(0))..) {
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
    pub(super) fn hand_out(&mut self, at: At, size: Bytes) -> At {
        self.leave(at);
        if size < self.blocks[at].size {
            let rest = self.blocks.cut(at, size);
            self.enter(rest);
        }
        self.blocks[at].state = State::Held;
        at
    }

    /// Takes a block back and merges it with free neighbors of its stream.
    pub(super) fn take_back(&mut self, at: At, stamp: Stamp) {
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

    /// Brings `size` bytes of memory, in whole granules, under a gap: what lies free on this stream
    /// or is done on others, and new memory for the rest. They are then a free block of the stream.
    pub(super) fn grow<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        want: Want,
    ) -> Result<(), Refusal> {
        let gap = self.gap(holdings, size)?;
        let count = usize::try_from(size.get() / self.granule.get()).unwrap_or(usize::MAX);
        let sources =
            if want.may_move { self.sources(holdings, size, want.stream)? } else { Vec::new() };
        let mut handles = self.new_memory(holdings, count - self.granules_in(&sources), count)?;
        let new_count = handles.len();
        for &(at, part) in &sources {
            let frames = &self.ranges[self.blocks[at].segment as usize];
            let starts = Frames::starts(part, self.granule);
            handles.extend(starts.filter_map(|addr| frames.handle(addr)));
        }
        let start = self.blocks[gap].addr;
        if let Err(unmapped) = map_all(&mut holdings.device, start, &handles, self.granule) {
            handles.truncate(new_count);
            self.spare.extend(handles);
            self.set_aside(gap, unmapped.left);
            return Err(unmapped.error.into());
        }
        for &(at, part) in &sources {
            self.move_away(holdings, at, part, want.owner());
        }
        let at = self.fill_gap(gap, size, handles);
        holdings.tell(Action::SegmentMap, self.extent(at), want.owner());
        let stamp = holdings.stamp(want.stream);
        self.take_back(at, stamp);
        Ok(())
    }

    /// The smallest gap that is large enough.
    fn gap<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
    ) -> Result<At, DeviceError> {
        if let Some(&(_, _, at)) = self.gaps.range((size, Addr::default(), At(0))..).next() {
            return Ok(at);
        }
        let total = holdings.device.memory().total;
        let usual = Bytes::new(total.get().saturating_mul(PER_DEVICE)).min(LARGEST_RESERVATION);
        let reservation = holdings.device.reserve(usual.max(size).round_up(self.granule))?;
        let segment = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        self.ranges.push(Frames::new(reservation, self.granule));
        let at = self.blocks.add(reservation, State::Unmapped, segment);
        self.enter(at);
        Ok(at)
    }

    /// Free granules that may move to work on `stream`, its own first, then those that are free
    /// longest; at most `size` of them.
    fn sources<D: Device, O: Observer>(
        &self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        stream: StreamId,
    ) -> Result<Vec<(At, Extent)>, DeviceError> {
        let mut sources = Vec::new();
        let mut missing = size;
        let own = self.free.get(&stream).into_iter().flat_map(|free| &free.by_age);
        let others = self.free.iter().filter(|&(&owner, _)| owner != stream);
        let mut others: Vec<_> = others.flat_map(|(_, free)| &free.by_age).collect();
        others.sort_unstable();
        for &(_, _, at) in own.chain(others) {
            if missing.is_zero() {
                break;
            }
            if holdings.is_ready(self.blocks[at].stamp, stream)? {
                let inside = self.granules_of(at);
                let taken = inside.size().min(missing);
                missing -= taken;
                sources.push((at, Extent::between(inside.start(), inside.start() + taken)));
            }
        }
        Ok(sources)
    }

    fn granules_in(&self, sources: &[(At, Extent)]) -> usize {
        let bytes = sources.iter().map(|(_, part)| part.size()).sum::<Bytes>();
        usize::try_from(bytes.get() / self.granule.get()).unwrap_or(usize::MAX)
    }

    /// So many handles with memory that nothing else uses.
    fn new_memory<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        count: usize,
        wanted: usize,
    ) -> Result<Vec<Handle>, Refusal> {
        let missing = count.saturating_sub(self.spare.len());
        let tried = Bytes::new(self.granule.get() * wanted as u64);
        let created = holdings.create_all(missing, self.granule, &mut self.spare);
        created.map_err(Refusal::to_give(tried))?;
        Ok(self.spare.split_off(self.spare.len() - count))
    }

    /// What of a gap's start is still mapped after a failure leaves by itself.
    fn set_aside(&mut self, gap: At, left: Bytes) {
        if !left.is_zero() {
            let extent = Extent::between(self.blocks[gap].addr, self.blocks[gap].addr + left);
            let at = self.cut_gap(gap, extent.size());
            self.blocks[at].state = State::Leaving;
            self.leaving.entry(StreamId(0)).or_default().push_back(at);
        }
    }

    /// The first `size` bytes of a gap, in no book.
    fn cut_gap(&mut self, gap: At, size: Bytes) -> At {
        self.leave(gap);
        if size < self.blocks[gap].size {
            let rest = self.blocks.cut(gap, size);
            self.enter(rest);
        }
        gap
    }

    /// Makes the start of a gap, under which these handles were mapped, a block in no book.
    fn fill_gap(&mut self, gap: At, size: Bytes, handles: Vec<Handle>) -> At {
        let at = self.cut_gap(gap, size);
        let Block { addr, segment, .. } = self.blocks[at];
        self.ranges[segment as usize].put(addr, handles);
        at
    }

    /// Notes that the memory of a part of a free block moved; the old mapping leaves.
    fn move_away<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        at: At,
        part: Extent,
        owner: Owner,
    ) {
        let at = self.take_part(at, part);
        let Block { stamp, segment, .. } = self.blocks[at];
        self.ranges[segment as usize].take(part);
        self.blocks[at].state = State::Leaving;
        let stream = stamp.stream.unwrap_or(owner.stream);
        self.leaving.entry(stream).or_default().push_back(at);
        holdings.tell(Action::SegmentUnmap, part, owner);
    }

    /// Cuts a part out of a free block; the part is in no book.
    fn take_part(&mut self, at: At, part: Extent) -> At {
        self.leave(at);
        let cut = self.blocks.cut_out(at, part);
        for rest in [cut.left, cut.right].into_iter().flatten() {
            self.enter(rest);
        }
        cut.part
    }

    /// Unmaps what left, as far as the work that used those addresses is done.
    pub(super) fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        let streams: Vec<StreamId> = self.leaving.keys().copied().collect();
        for stream in streams {
            while let Some(&at) = self.leaving.get(&stream).and_then(VecDeque::front) {
                if !holdings.is_done(self.blocks[at].stamp)? {
                    break;
                }
                holdings.device.unmap(self.extent(at))?;
                self.leaving.entry(stream).or_default().pop_front();
                self.blocks[at].state = State::Unmapped;
                self.merge(at, |_, _| true);
            }
        }
        self.leaving.retain(|_, queue| !queue.is_empty());
        Ok(())
    }

    /// Gives free granules back until no more than `keep` is held, those free longest first; waits
    /// for all work.
    pub(super) fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        keep: Bytes,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        if holdings.reserved() <= keep {
            return Ok(());
        }
        holdings.wait_for_all(None)?;
        self.tidy(holdings)?;
        self.adopt(holdings, owner.stream)?;
        self.release_spare(holdings, keep)?;
        let free = self.free.values().flat_map(|free| &free.by_age);
        let mut free: Vec<(u64, Addr, At)> = free.copied().collect();
        free.sort_unstable();
        for (_, _, at) in free {
            let inside = self.granules_of(at);
            let surplus = holdings.reserved().saturating_sub(keep).round_up(self.granule);
            let size = inside.size().min(surplus);
            if size.is_zero() {
                break;
            }
            let part = Extent::between(inside.start(), inside.start() + size);
            holdings.device.unmap(part)?;
            let at = self.take_part(at, part);
            let segment = self.blocks[at].segment as usize;
            self.spare.extend(self.ranges[segment].take(part));
            self.blocks[at].state = State::Unmapped;
            self.merge(at, |_, _| true);
            holdings.tell(Action::SegmentUnmap, part, owner);
            self.release_spare(holdings, keep)?;
        }
        Ok(())
    }

    fn release_spare<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        keep: Bytes,
    ) -> Result<(), DeviceError> {
        while let Some(&handle) = self.spare.last().filter(|_| keep < holdings.reserved()) {
            holdings.release(handle, self.granule)?;
            self.spare.pop();
        }
        Ok(())
    }

    /// The whole granules in a block.
    fn granules_of(&self, at: At) -> Extent {
        let block = &self.blocks[at];
        self.ranges[block.segment as usize].inside(block.extent())
    }

    /// Merges a block with neighbors of its state that `may` be one with it, and enters it.
    fn merge(&mut self, mut at: At, may: fn(&Block, &Block) -> bool) {
        let joins = |blocks: &Blocks, other: At, at: At| {
            let (one, other) = (&blocks[at], &blocks[other]);
            one.state == other.state && may(one, other)
        };
        if let Some(next) = self.blocks.next(at).filter(|&next| joins(&self.blocks, next, at)) {
            self.leave(next);
            self.blocks.absorb_next(at);
        }
        if let Some(prev) = self.blocks.prev(at).filter(|&prev| joins(&self.blocks, prev, at)) {
            self.leave(prev);
            self.blocks.absorb_next(prev);
            at = prev;
        }
        self.enter(at);
    }

    /// Enters a free block or a gap into the books.
    fn enter(&mut self, at: At) {
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
    fn leave(&mut self, at: At) {
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
            let frames = &self.ranges[block.segment as usize];
            let lacks = !frames.runs(frames.touched(block.extent()), false).is_empty();
            let has = !frames.runs(frames.inside(block.extent()), true).is_empty();
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
