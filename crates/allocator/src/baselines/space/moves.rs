//! Memory under a gap of addresses, from where it lies free; and on its way back to the device.

use std::collections::VecDeque;

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::Space;
use crate::baselines::blocks::{Block, State};
use crate::baselines::holdings::{Holdings, Owner};
use crate::baselines::mapping::map_all;
use crate::baselines::names::BlockIndex;
use crate::baselines::policy::{Refusal, Request};
use crate::baselines::slots::Slots;
use crate::observer::Observer;

/// Addresses are reserved by so many times the device, so that gaps are found although old mappings
/// linger.
const PER_DEVICE: u64 = 2;

/// And by at most so much, unless one request is larger.
const LARGEST_RESERVATION: Bytes = Bytes::gib(512);

impl Space {
    /// Brings `size` bytes of memory, in whole granules, under a gap: what lies free on this stream
    /// or is done on others, and new memory for the rest. They are then a free block of the stream.
    pub(in crate::baselines) fn grow<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        request: Request,
    ) -> Result<(), Refusal> {
        let gap = self.gap(holdings, size)?;
        let count = usize::try_from(size.get() / self.granule.get()).unwrap_or(usize::MAX);
        let sources = if request.may_move {
            self.sources(holdings, size, request.stream)?
        } else {
            Vec::new()
        };
        let mut handles = self.new_memory(holdings, count - self.granules_in(&sources), count)?;
        let new_count = handles.len();
        for &(at, part) in &sources {
            let slots = &self.ranges[self.blocks[at].segment as usize];
            let starts = Slots::starts(part, self.granule);
            handles.extend(starts.filter_map(|addr| slots.handle(addr)));
        }
        let start = self.blocks[gap].addr;
        if let Err(unmapped) = map_all(&mut holdings.device, start, &handles, self.granule) {
            handles.truncate(new_count);
            self.spare.extend(handles);
            self.set_aside(gap, unmapped.left);
            return Err(unmapped.error.into());
        }
        for &(at, part) in &sources {
            self.move_away(holdings, at, part, request.owner());
        }
        let at = self.fill_gap(gap, size, handles);
        holdings.tell(Action::SegmentMap, self.extent(at), request.owner());
        let stamp = holdings.stamp(request.stream);
        self.take_back(at, stamp);
        Ok(())
    }

    /// The smallest gap that is large enough.
    fn gap<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
    ) -> Result<BlockIndex, DeviceError> {
        if let Some(&(_, _, at)) = self.gaps.range((size, Addr::default(), BlockIndex(0))..).next()
        {
            return Ok(at);
        }
        let total = holdings.device.memory().total;
        let usual = Bytes::new(total.get().saturating_mul(PER_DEVICE)).min(LARGEST_RESERVATION);
        let reservation = holdings.device.reserve(usual.max(size).round_up(self.granule))?;
        let segment = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        self.ranges.push(Slots::new(reservation, self.granule));
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
    ) -> Result<Vec<(BlockIndex, Extent)>, DeviceError> {
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

    fn granules_in(&self, sources: &[(BlockIndex, Extent)]) -> usize {
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
    fn set_aside(&mut self, gap: BlockIndex, left: Bytes) {
        if !left.is_zero() {
            let extent = Extent::between(self.blocks[gap].addr, self.blocks[gap].addr + left);
            let at = self.cut_gap(gap, extent.size());
            self.blocks[at].state = State::Leaving;
            self.leaving.entry(StreamId(0)).or_default().push_back(at);
        }
    }

    /// The first `size` bytes of a gap, in no book.
    fn cut_gap(&mut self, gap: BlockIndex, size: Bytes) -> BlockIndex {
        self.leave(gap);
        if size < self.blocks[gap].size {
            let rest = self.blocks.cut(gap, size);
            self.enter(rest);
        }
        gap
    }

    /// Makes the start of a gap, under which these handles were mapped, a block in no book.
    fn fill_gap(&mut self, gap: BlockIndex, size: Bytes, handles: Vec<Handle>) -> BlockIndex {
        let at = self.cut_gap(gap, size);
        let Block { addr, segment, .. } = self.blocks[at];
        self.ranges[segment as usize].put(addr, handles);
        at
    }

    /// Notes that the memory of a part of a free block moved; the old mapping leaves.
    fn move_away<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        at: BlockIndex,
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

    /// Unmaps what left, as far as the work that used those addresses is done.
    pub(in crate::baselines) fn tidy<D: Device, O: Observer>(
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
    pub(in crate::baselines) fn trim<D: Device, O: Observer>(
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
        let mut free: Vec<(u64, Addr, BlockIndex)> = free.copied().collect();
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
}
