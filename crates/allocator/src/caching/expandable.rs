//! Expandable segments: a long range of addresses in which pages are mapped as they are needed.

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::{Action, Reserve};
use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::CachingAllocator;
use super::names::{PoolIndex, SegmentIndex, Slot};
use super::request::Request;
use super::rules::share;
use crate::observer::{Happening, Observer};

/// A reserved range of addresses and the pages mapped in it.
#[derive(Clone, Debug)]
pub(super) struct ExpandableSegment {
    reservation: Extent,
    page: Bytes,
    stream: StreamId,
    /// The memory under each page, as far as the last that ever was mapped.
    pages: Vec<Option<Handle>>,
}

impl ExpandableSegment {
    fn index_of(&self, addr: Addr) -> usize {
        usize::try_from((addr - self.reservation.start()).get() / self.page.get())
            .unwrap_or(usize::MAX)
    }

    fn put_page(&mut self, page: usize, handle: Handle) {
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        self.pages[page] = Some(handle);
    }

    fn addr_of(&self, page: usize) -> Addr {
        self.reservation.start() + Bytes::new(self.page.get() * page as u64)
    }
}

/// All expandable segments; places are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct ExpandableSegments {
    segments: Vec<Option<ExpandableSegment>>,
}

impl ExpandableSegments {
    fn add(&mut self, segment: ExpandableSegment) -> SegmentIndex {
        let vacant = self.segments.iter().position(Option::is_none);
        let at = vacant.unwrap_or_else(|| {
            self.segments.push(None);
            self.segments.len() - 1
        });
        self.segments[at] = Some(segment);
        SegmentIndex(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The bytes of pages mapped in `range` of a segment.
    pub(super) fn pages_in(&self, index: SegmentIndex, range: Extent) -> Bytes {
        let Some(Some(segment)) = self.segments.get(index.0 as usize) else { return Bytes::ZERO };
        let end = segment.index_of(range.end()).min(segment.pages.len());
        let pages = segment.index_of(range.start())..end;
        let mapped = pages.filter(|&page| segment.pages[page].is_some());
        Bytes::new(mapped.count() as u64 * segment.page.get())
    }

    fn get_mut(&mut self, index: SegmentIndex) -> Option<&mut ExpandableSegment> {
        self.segments.get_mut(index.0 as usize)?.as_mut()
    }
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// A block of at least the rounded size, not among the free ones, from pages newly mapped
    /// beside what is free; nothing where the device has not enough.
    pub(super) fn grow(&mut self, request: &Request) -> Result<Option<Slot>, DeviceError> {
        let rounded = request.rounded;
        let Some(mut block) = self.find_room(request)? else { return Ok(None) };
        if !self.blocks[block].mapped {
            let size = self.blocks[block].size.min(rounded);
            if !self.map_block(block, size)? {
                return Ok(None);
            }
        }
        while self.blocks[block].size < rounded {
            let missing = rounded - self.blocks[block].size;
            let next = self.blocks[block].next;
            let size = self.blocks[next].size.min(missing);
            if !self.map_block(next, size)? {
                return Ok(None);
            }
            block = next;
        }
        let pool = self.blocks[block].pool;
        self.pools[pool.0 as usize].take(&self.blocks, block, self.rules.tie_break);
        // PyTorch counts one growth as one segment of a private pool, however many pages it maps.
        if let Some(owner) = self.pools[pool.0 as usize].owner {
            self.private_pools[owner.0].growths += 1;
        }
        Ok(Some(block))
    }

    /// The first block of the lowest run of usable blocks, mapped or not, that is long enough; a
    /// new segment where there is none.
    fn find_room(&mut self, request: &Request) -> Result<Option<Slot>, DeviceError> {
        if let Some(shelf) = self.pools[request.pool.0 as usize].shelf(request.stream) {
            for &unmapped in shelf.unmapped.values() {
                let before = self.blocks[unmapped].prev;
                let usable = before.some().filter(|&before| self.blocks[before].is_usable());
                let first = usable.unwrap_or(unmapped);
                let mut size = Bytes::ZERO;
                for block in self.blocks.from(first).take_while(|block| block.is_usable()) {
                    size += block.size;
                    if request.rounded <= size {
                        return Ok(Some(first));
                    }
                }
            }
        }
        let slot = self.new_expandable_segment(request)?;
        if self.blocks[slot].size < request.rounded {
            self.drop_segment(slot)?;
            return Ok(None);
        }
        Ok(Some(slot))
    }

    fn new_expandable_segment(&mut self, request: &Request) -> Result<Slot, DeviceError> {
        let kind = self.pools[request.pool.0 as usize].kind;
        let page = self.rules.sizes.page(kind);
        let total = self.device.memory().total;
        let all = total + Bytes::new(total.get() / 8);
        let wanted = match self.rules.reserve {
            None => all,
            Some(Reserve::Bytes(bytes)) => bytes.min(all),
            Some(Reserve::Fraction(fraction)) => share(fraction, total).min(all),
        };
        let reservation = self.device.reserve(wanted.round_up(page))?;
        Ok(self.add_expandable_segment(reservation, page, request.stream, request.pool))
    }

    /// Takes a reserved range into the books, nothing of it mapped.
    pub(super) fn add_expandable_segment(
        &mut self,
        reservation: Extent,
        page: Bytes,
        stream: StreamId,
        pool: PoolIndex,
    ) -> Slot {
        let segment = ExpandableSegment { reservation, page, stream, pages: Vec::new() };
        let segment = self.expandable.add(segment);
        self.any_expandable = true;
        let age = self.next_age();
        let slot = self.blocks.add(reservation, stream, pool, age);
        self.blocks[slot].segment = Some(segment);
        self.blocks[slot].mapped = false;
        self.put_unmapped(slot);
        slot
    }

    fn put_unmapped(&mut self, slot: Slot) {
        let block = &self.blocks[slot];
        let pool = &mut self.pools[block.pool.0 as usize];
        pool.shelf_mut(block.stream).unmapped.insert(block.addr, slot);
    }

    fn take_unmapped(&mut self, slot: Slot) {
        let block = &self.blocks[slot];
        let pool = &mut self.pools[block.pool.0 as usize];
        pool.shelf_mut(block.stream).unmapped.remove(&block.addr);
    }

    /// Maps the first `size` bytes of an unmapped block, rounded up to pages, and makes them free.
    /// Whether the device had them.
    fn map_block(&mut self, slot: Slot, size: Bytes) -> Result<bool, DeviceError> {
        let Some(index) = self.blocks[slot].segment else { return Ok(false) };
        let addr = self.blocks[slot].addr;
        let Some(segment) = self.expandable.get_mut(index) else { return Ok(false) };
        let range = Extent::between(addr, addr + size.round_up(segment.page));
        if !map_pages(&mut self.device, segment, range)? {
            return Ok(false);
        }
        self.take_mapping_into_the_books(slot, range.size());
        let block = &self.blocks[slot];
        let kind = self.pools[block.pool.0 as usize].kind;
        let (stream, pool) = (block.stream, block.pool);
        self.statistics.num_device_alloc += 1;
        self.statistics.reserved_bytes.increase(kind, range.size().get());
        self.observer.observe(Happening {
            action: Action::SegmentMap,
            addr,
            size: range.size(),
            stream,
            pool: self.pool_id(pool),
        });
        Ok(true)
    }

    fn take_mapping_into_the_books(&mut self, slot: Slot, size: Bytes) {
        self.take_unmapped(slot);
        self.blocks[slot].mapped = true;
        if size < self.blocks[slot].size {
            let rest = self.blocks.cut_back(slot, size);
            self.blocks[rest].mapped = false;
            self.put_unmapped(rest);
        }
        let (prev, next) = (self.blocks[slot].prev, self.blocks[slot].next);
        self.merge(slot, prev);
        self.merge(slot, next);
        self.put(slot);
        self.reserved += size;
    }

    /// Gives the whole pages inside a free block back to the device.
    pub(super) fn shrink(&mut self, slot: Slot) -> Result<(), DeviceError> {
        let block = &self.blocks[slot];
        let (extent, stream, pool) = (block.extent(), block.stream, block.pool);
        let Some(index) = block.segment else { return Ok(()) };
        let Some(segment) = self.expandable.get_mut(index) else { return Ok(()) };
        let range = extent.whole_pages(segment.reservation.start(), segment.page);
        if range.is_empty() {
            return Ok(());
        }
        unmap_pages(&mut self.device, segment, range)?;
        self.pools[pool.0 as usize].take(&self.blocks, slot, self.rules.tie_break);
        if extent.start() < range.start() {
            let front = self.blocks.cut_front(slot, range.start() - extent.start());
            self.put(front);
        }
        if range.end() < extent.end() {
            let back = self.blocks.cut_back(slot, range.size());
            self.put(back);
        }
        self.blocks[slot].mapped = false;
        let (prev, next) = (self.blocks[slot].prev, self.blocks[slot].next);
        self.merge(slot, prev);
        self.merge(slot, next);
        self.put_unmapped(slot);
        self.reserved -= range.size();
        let kind = self.pools[pool.0 as usize].kind;
        self.statistics.reserved_bytes.decrease(kind, range.size().get());
        self.statistics.num_device_free += 1;
        if let Some(owner) = self.pools[pool.0 as usize].owner {
            let pool = &mut self.private_pools[owner.0];
            pool.shrinks += 1;
        }
        self.observer.observe(Happening {
            action: Action::SegmentUnmap,
            addr: range.start(),
            size: range.size(),
            stream,
            pool: self.pool_id(pool),
        });
        if !self.blocks[slot].is_split() {
            self.drop_segment(slot)?;
        }
        Ok(())
    }

    /// Gives back the addresses of a segment in which nothing is mapped.
    fn drop_segment(&mut self, slot: Slot) -> Result<(), DeviceError> {
        self.take_unmapped(slot);
        if let Some(index) = self.blocks[slot].segment
            && let Some(segment) = self.expandable.segments[index.0 as usize].take()
        {
            self.device.unreserve(segment.reservation)?;
        }
        self.blocks.remove(slot);
        Ok(())
    }

    /// Makes the range `mapped` of an unmapped block one free block, its memory being there
    /// already: the handles under its pages.
    pub(super) fn adopt_mapped(&mut self, slot: Slot, mapped: Extent, handles: Vec<Handle>) {
        self.take_unmapped(slot);
        let start = self.blocks[slot].addr;
        if start < mapped.start() {
            let front = self.blocks.cut_front(slot, mapped.start() - start);
            self.put_unmapped(front);
        }
        self.put_unmapped(slot);
        if let Some(segment) = self.blocks[slot].segment.and_then(|i| self.expandable.get_mut(i)) {
            let first = segment.index_of(mapped.start());
            for (page, handle) in (first..).zip(handles) {
                segment.put_page(page, handle);
            }
        }
        self.take_mapping_into_the_books(slot, mapped.size());
    }
}

/// Maps pages, all or none. Whether the device had them.
fn map_pages<D: Device>(
    device: &mut D,
    segment: &mut ExpandableSegment,
    range: Extent,
) -> Result<bool, DeviceError> {
    let first = segment.index_of(range.start());
    let end = segment.index_of(range.end());
    let mut handles = Vec::with_capacity(end - first);
    for _ in first..end {
        match device.create(segment.page) {
            Ok(handle) => handles.push(handle),
            Err(refusal) => {
                for handle in handles {
                    device.release(handle)?;
                }
                let refused = matches!(refusal, DeviceError::OutOfMemory { .. });
                return if refused { Ok(false) } else { Err(refusal) };
            }
        }
    }
    for (page, handle) in (first..end).zip(handles) {
        device.map(segment.addr_of(page), handle)?;
        segment.put_page(page, handle);
    }
    device.set_access(range)?;
    Ok(true)
}

/// Unmaps pages and gives their memory back, after the work that may use them.
fn unmap_pages<D: Device>(
    device: &mut D,
    segment: &mut ExpandableSegment,
    range: Extent,
) -> Result<(), DeviceError> {
    device.wait_for_stream(segment.stream)?;
    for page in segment.index_of(range.start())..segment.index_of(range.end()) {
        let at = segment.addr_of(page);
        device.unmap(Extent::between(at, at + segment.page))?;
        if let Some(handle) = segment.pages[page].take() {
            device.release(handle)?;
        }
    }
    Ok(())
}
