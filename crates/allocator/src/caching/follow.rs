//! Following a recording: looking at a choice before it is made, and making it as recorded.

use gapless_device::Device;
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use super::CachingAllocator;
use super::free_set::Key;
use super::names::{BlockId, Slot};
use super::request::{Found, Request};
use crate::observer::Observer;

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// The addresses of the free blocks that would serve a request equally well: one size, and
    /// only the tie-break between them. The one that would be taken comes first.
    pub fn candidates(&mut self, pool: PoolId, size: Bytes, stream: StreamId) -> Vec<Addr> {
        let request = self.request(pool, size, stream);
        let pool = &self.pools[request.pool.0 as usize];
        let Some(free) = pool.shelf(stream).map(|shelf| &shelf.free) else { return Vec::new() };
        let mut cursor = free.at_least(Key::least(request.rounded));
        let Some(first) = free.get(cursor) else { return Vec::new() };
        let mut addrs = Vec::new();
        while let Some(entry) = free.get(cursor)
            && entry.key.size() == first.key.size()
        {
            addrs.push(self.blocks[entry.value].addr);
            cursor = free.after(cursor);
        }
        addrs
    }

    /// A block at exactly `addr`, where that is free and long enough; what lies free before it
    /// stays free. For following a recording whose choice cannot be derived.
    pub fn allocate_at(
        &mut self,
        addr: Addr,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Option<BlockId> {
        let request = self.request(pool, size, stream);
        let wanted = Extent::new(addr, request.rounded).ok()?;
        let free = &self.pools[request.pool.0 as usize].shelf(stream)?.free;
        let holds = |slot: Slot| self.blocks[slot].extent().contains(wanted);
        let slot = free.values().find(|&slot| holds(slot))?;
        let before = addr - self.blocks[slot].addr;
        self.pools[request.pool.0 as usize].take(&self.blocks, slot, self.rules.tie_break);
        if !before.is_zero() {
            let front = self.blocks.cut_front(slot, before);
            self.put(front);
        }
        Some(self.hand_out(Found::apart(slot), &request))
    }

    /// A request as the rules see it.
    pub(super) fn request(&mut self, pool: PoolId, size: Bytes, stream: StreamId) -> Request {
        let rounded = self.rules.sizes.round(size);
        let segment = self.rules.sizes.segment_size(rounded);
        let pool = self.pool_index(pool, self.rules.sizes.size_pool(rounded));
        let expandable = self.rules.expandable;
        Request { requested: size, rounded, segment, stream, pool, expandable }
    }
}
