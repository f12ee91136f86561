//! Giving memory back to the device: garbage collection, oversize blocks, the whole cache.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Bytes, PoolId};

use super::CachingAllocator;
use super::block::Block;
use super::free_set::Key;
use super::names::{PoolIndex, Slot};
use super::request::Request;
use super::rules::share;
use crate::observer::Observer;

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// Gives every free segment and every free whole page back to the device
    /// (`torch.cuda.empty_cache`), after waiting for other streams where that frees more.
    pub fn empty_cache(&mut self) -> Result<(), DeviceError> {
        self.release_default_cache()
    }

    /// Whether cached segments are collected before the device is asked.
    pub(super) fn collects_garbage(&self) -> bool {
        self.limit.is_some() && 0.0 < self.rules.garbage_collection_threshold
    }

    /// Gives back whole free segments that lay idle longest, down to the threshold. Only large
    /// ones of the default pool, and never pages.
    pub(super) fn collect_garbage(&mut self) -> Result<(), DeviceError> {
        let limit = self.limit.unwrap_or_default();
        let threshold = share(self.rules.garbage_collection_threshold, limit);
        let target = self.reserved.saturating_sub(threshold);
        if target.is_zero() {
            return Ok(());
        }
        let pool = &self.pools[PoolIndex::LARGE.0 as usize];
        let searches = pool.searches;
        let age_of = |block: &Block| (searches - block.free_since) as f64;
        let whole = pool.free_blocks().into_iter().filter(|&slot| !self.blocks[slot].is_split());
        let mut whole: Vec<Slot> = whole.collect();
        // Whole expandable segments count for the average and are kept.
        let mut total_age: f64 = whole.iter().map(|&slot| age_of(&self.blocks[slot])).sum();
        let mut count = whole.len();
        whole.retain(|&slot| self.blocks[slot].segment.is_none());
        let mut reclaimed = Bytes::ZERO;
        let mut freed = true;
        while reclaimed < target && freed && 0 < count {
            freed = false;
            let average = total_age / count as f64;
            let mut kept = Vec::with_capacity(whole.len());
            for slot in whole {
                let age = age_of(&self.blocks[slot]);
                if age < average {
                    kept.push(slot);
                    continue;
                }
                freed = true;
                reclaimed += self.blocks[slot].size;
                total_age -= age;
                count -= 1;
                self.release_segment(slot)?;
            }
            whole = kept;
        }
        Ok(())
    }

    /// Gives back blocks that the split limit keeps whole and that could make room for a request.
    /// Whether what went back is large enough.
    pub(super) fn release_oversize(&mut self, request: &Request) -> Result<bool, DeviceError> {
        let Some(limit) = self.rules.max_split_size else { return Ok(false) };
        let wanted = request.rounded.max(limit);
        let pool = &self.pools[request.pool.0 as usize];
        let Some(free) = pool.shelf(request.stream).map(|shelf| &shelf.free) else {
            return Ok(false);
        };
        let cursor = free.at_least(Key::least(wanted));
        let found = free.get(cursor);
        let goes = |slot: Slot| self.blocks[slot].segment.is_none();
        let mut victims = Vec::new();
        let mut released = Bytes::ZERO;
        if let Some(entry) = found.filter(|entry| goes(entry.value)) {
            released = wanted;
            victims.push(entry.value);
        } else {
            let mut place = free.before(cursor);
            while let Some(at) = place
                && let Some(entry) = free.get(at)
                && released < wanted
                && limit <= entry.key.size()
            {
                if goes(entry.value) {
                    released += entry.key.size();
                    victims.push(entry.value);
                }
                place = free.before(at);
            }
        }
        for slot in victims {
            // Only where the limit was lowered while the program ran, PyTorch frees a part of a
            // segment here; such a block stays.
            if !self.blocks[slot].is_split() {
                self.release_segment(slot)?;
            }
        }
        Ok(wanted <= released)
    }

    /// Gives back all that is free in the default pool, and in private pools nobody uses.
    pub(super) fn release_default_cache(&mut self) -> Result<(), DeviceError> {
        if !self.is_capturing() {
            self.wait_for_all_events()?;
            self.release_free(PoolIndex::LARGE)?;
            self.release_free(PoolIndex::SMALL)?;
        }
        self.release_unused_pools(None)
    }

    /// Gives back the free segments and the free whole pages of one pool.
    pub(super) fn release_free(&mut self, pool: PoolIndex) -> Result<(), DeviceError> {
        let mut pages = Vec::new();
        for slot in self.pools[pool.0 as usize].free_blocks() {
            if self.blocks[slot].segment.is_some() {
                pages.push(slot);
            } else if !self.blocks[slot].is_split() {
                self.release_segment(slot)?;
            }
        }
        for slot in pages {
            self.shrink(slot)?;
        }
        Ok(())
    }

    /// Gives a whole free segment back.
    pub(super) fn release_segment(&mut self, slot: Slot) -> Result<(), DeviceError> {
        let block = &self.blocks[slot];
        let (addr, size, index) = (block.addr, block.size, block.pool);
        self.tell(Action::SegmentFree, slot, size);
        self.device.free(addr)?;
        let pool = &mut self.pools[index.0 as usize];
        let kind = pool.kind;
        pool.take(&self.blocks, slot, self.rules.tie_break);
        if let Some(owner) = pool.owner {
            self.private_pools[owner.0].segments -= 1;
        }
        self.reserved -= size;
        self.statistics.segment.decrease(kind, 1);
        self.statistics.reserved_bytes.decrease(kind, size.get());
        if self.rules.is_oversize(size) {
            self.statistics.remove_oversize_segment();
        }
        self.statistics.num_device_free += 1;
        self.blocks.remove(slot);
        Ok(())
    }

    /// Gives back what is free in the private pools that nobody uses any more, or in the one
    /// named; a pool that holds nothing then is gone.
    pub(super) fn release_unused_pools(&mut self, only: Option<PoolId>) -> Result<(), DeviceError> {
        for index in self.unused_pools(only) {
            let pool = &self.private_pools[index.0];
            let (small, large) = (pool.small, pool.large);
            self.release_free(small)?;
            self.release_free(large)?;
            self.drop_pool_if_empty(index);
        }
        Ok(())
    }
}
