//! A life that begins in the middle: the state of an allocator that was recorded, taken over.

use gapless_device::{DeviceError, Handle, Sim};
use gapless_trace::SizePool;
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use super::CachingAllocator;
use super::free_set::Key;
use super::names::{BlockId, Slot};
use crate::observer::Observer;

/// A segment that was there before, or one contiguous mapped range of an expandable segment.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// Its addresses.
    pub extent: Extent,
    /// The addresses of the expandable segment it is part of.
    pub reservation: Option<Extent>,
    /// The stream whose requests it serves.
    pub stream: StreamId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// Which half of the pool.
    pub size_pool: SizePool,
    /// The blocks that are not free, by address.
    pub blocks: Vec<AdoptedBlock>,
}

/// A block that was there before.
#[derive(Clone, Copy, Debug)]
pub struct AdoptedBlock {
    /// Its addresses.
    pub extent: Extent,
    /// What was asked for.
    pub requested: Bytes,
}

/// Why a state cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// An address or a size that the allocator never gives.
    #[error("the segment at {at} has an address or a size that is no multiple of 512 below 2^57")]
    Unaligned {
        /// Its address.
        at: Addr,
    },
    /// A block lies outside of its segment or on another.
    #[error("the block at {at} does not fit into its segment")]
    Misplaced {
        /// Its address.
        at: Addr,
    },
    /// The device refused.
    #[error("the segment at {at} cannot be taken over")]
    Device {
        /// Its address.
        at: Addr,
        /// Why.
        source: DeviceError,
    },
}

/// Refuses what the order of free blocks cannot hold.
fn check_addresses(segment: &Adopted) -> Result<(), AdoptError> {
    let blocks = segment.blocks.iter().map(|block| block.extent);
    let mut extents = blocks.chain([segment.extent]).chain(segment.reservation);
    let odd = |extent: Extent| {
        let (start, end) = (extent.start().get(), extent.end().get());
        start % 512 != 0 || end % 512 != 0 || Key::LIMIT <= end
    };
    if extents.any(odd) {
        return Err(AdoptError::Unaligned { at: segment.extent.start() });
    }
    Ok(())
}

impl<O: Observer> CachingAllocator<Sim, O> {
    /// Takes over segments with their blocks, the oldest segment first; the mapped ranges of one
    /// expandable segment follow one another by address. Answers with the names of the blocks,
    /// segment by segment. Nobody is told, and no call of the device is counted.
    pub fn adopt(&mut self, segments: &[Adopted]) -> Result<Vec<Vec<BlockId>>, AdoptError> {
        let mut names = Vec::with_capacity(segments.len());
        let mut unmapped: Option<(Extent, Slot)> = None;
        for segment in segments {
            check_addresses(segment)?;
            let failed = |source| AdoptError::Device { at: segment.extent.start(), source };
            let pool = self.pool_index(segment.pool, segment.size_pool);
            let slot = match segment.reservation {
                None => {
                    self.device.adopt_allocation(segment.extent).map_err(failed)?;
                    self.reserved += segment.extent.size();
                    let age = self.next_age();
                    self.statistics.segment.increase(segment.size_pool, 1);
                    if self.rules.is_oversize(segment.extent.size()) {
                        self.statistics.add_oversize_segment();
                    }
                    if let Some(owner) = self.pools[pool.0 as usize].owner {
                        self.private_pools[owner.0].segments += 1;
                    }
                    self.blocks.add(segment.extent, segment.stream, pool, age)
                }
                Some(reservation) => {
                    let page = self.rules.sizes.page(segment.size_pool);
                    let slot = match unmapped {
                        Some((same, slot)) if same == reservation => slot,
                        Some(_) | None => {
                            self.device.adopt_reservation(reservation).map_err(failed)?;
                            let (stream, pages) = (segment.stream, page);
                            self.add_expandable_segment(reservation, pages, stream, pool)
                        }
                    };
                    let handles = self.map_pages_of(segment.extent, page).map_err(failed)?;
                    self.adopt_mapped(slot, segment.extent, handles);
                    unmapped = self.blocks[slot].next.some().map(|next| (reservation, next));
                    self.pools[pool.0 as usize].take(&self.blocks, slot, self.rules.tie_break);
                    slot
                }
            };
            let size = segment.extent.size().get();
            self.statistics.reserved_bytes.increase(segment.size_pool, size);
            names.push(self.adopt_blocks(slot, segment)?);
        }
        Ok(names)
    }

    fn map_pages_of(&mut self, extent: Extent, page: Bytes) -> Result<Vec<Handle>, DeviceError> {
        let mut handles = Vec::new();
        let mut at = extent.start();
        while at < extent.end() {
            handles.push(self.device.adopt_mapping(Extent::between(at, at + page))?);
            at = at + page;
        }
        Ok(handles)
    }

    /// Cuts a segment that is one block into its blocks and gaps.
    fn adopt_blocks(&mut self, whole: Slot, segment: &Adopted) -> Result<Vec<BlockId>, AdoptError> {
        let kind = segment.size_pool;
        let mut names = Vec::with_capacity(segment.blocks.len());
        let mut rest = Some(whole);
        let mut gaps = Vec::new();
        for block in &segment.blocks {
            let misplaced = AdoptError::Misplaced { at: block.extent.start() };
            let Some(mut slot) = rest else { return Err(misplaced) };
            if !self.blocks[slot].extent().contains(block.extent) || block.extent.is_empty() {
                return Err(misplaced);
            }
            let start = self.blocks[slot].addr;
            if start < block.extent.start() {
                gaps.push(self.blocks.cut_front(slot, block.extent.start() - start));
            }
            rest = None;
            if block.extent.size() < self.blocks[slot].size {
                rest = Some(slot);
                slot = self.blocks.cut_front(slot, block.extent.size());
            }
            names.push(self.blocks.hand_out(slot, block.requested));
            let size = block.extent.size();
            self.statistics.allocation.increase(kind, 1);
            self.statistics.allocated_bytes.increase(kind, size.get());
            self.statistics.active.increase(kind, 1);
            self.statistics.active_bytes.increase(kind, size.get());
            self.statistics.requested_bytes.increase(kind, block.requested.get());
            if self.rules.is_oversize(size) {
                self.statistics.add_oversize_allocation();
            }
        }
        gaps.extend(rest);
        for gap in gaps {
            let block = &self.blocks[gap];
            if block.segment.is_none() && block.is_split() {
                self.statistics.inactive_split.increase(kind, 1);
                self.statistics.inactive_split_bytes.increase(kind, block.size.get());
            }
            self.put(gap);
        }
        Ok(names)
    }
}
