//! The search for a free block, and the split of the one found.

use gapless_device::Device;
use gapless_trace::Action;
use gapless_units::Bytes;

use super::CachingAllocator;
use super::block::Block;
use super::free_set::{Entry, FreeSet, Key};
use super::names::{BlockId, Slot};
use super::request::{Found, Request};
use crate::observer::Observer;
use crate::ordered::Cursor;

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// The free block that serves a request, still among the free ones: the smallest that is large
    /// enough on its stream, unless the split limit forbids just that one.
    pub(super) fn find(&mut self, request: &Request) -> Option<Found> {
        if self.collects_garbage() {
            self.pools[request.pool.0 as usize].searches += 1;
        }
        let free = &self.pools[request.pool.0 as usize].shelf(request.stream)?.free;
        let mut cursor = free.at_least(Key::least(request.rounded));
        let mut entry = free.get(cursor)?;
        if self.any_expandable && self.blocks[entry.value].segment.is_some() {
            (cursor, entry) = if request.expandable {
                self.prefer_holes(free, cursor, entry)
            } else {
                self.skip_expandable(free, cursor)?
            };
        }
        if !self.rules.sizes.may_serve(request.rounded, entry.key.size()) {
            return None;
        }
        Some(Found { slot: entry.value, place: Some(cursor) })
    }

    /// Walks from a block that could grow to one that could not, while that is a closer fit: a
    /// gap between blocks is better filled than the end of what is mapped.
    fn prefer_holes(
        &self,
        free: &FreeSet,
        mut cursor: Cursor,
        mut entry: Entry,
    ) -> (Cursor, Entry) {
        while self.blocks[entry.value].segment.is_some() {
            let next = free.after(cursor);
            let Some(candidate) = free.get(next) else { break };
            if self.room_of(entry.value) <= self.room_of(candidate.value) {
                break;
            }
            (cursor, entry) = (next, candidate);
        }
        (cursor, entry)
    }

    /// A block with the range behind it that is not mapped.
    fn room_of(&self, slot: Slot) -> Bytes {
        let block = &self.blocks[slot];
        let behind = block.next.some().map(|next| &self.blocks[next]);
        let behind = behind.filter(|next| !next.mapped).map_or(Bytes::ZERO, |next| next.size);
        block.size + behind
    }

    fn skip_expandable(&self, free: &FreeSet, mut cursor: Cursor) -> Option<(Cursor, Entry)> {
        loop {
            let entry = free.get(cursor)?;
            if self.blocks[entry.value].segment.is_none() {
                return Some((cursor, entry));
            }
            cursor = free.after(cursor);
        }
    }

    fn put_rest(&mut self, slot: Slot, place: Cursor) {
        let pool = self.blocks[slot].pool;
        let tie_break = self.rules.tie_break;
        self.pools[pool.0 as usize].put_rest(&mut self.blocks, slot, place, tie_break);
    }

    fn remove_from_free(&mut self, slot: Slot, place: Cursor) {
        let Block { pool, stream, .. } = self.blocks[slot];
        self.pools[pool.0 as usize].shelf_mut(stream).free.remove_at(place);
    }

    /// Whether a block is cut when it serves a request.
    fn splits(&self, slot: Slot, request: &Request) -> bool {
        let block = &self.blocks[slot];
        let pool = &self.pools[block.pool.0 as usize];
        if pool.owner.is_some_and(|owner| self.private_pools[owner.0].options.no_split) {
            return false;
        }
        self.rules.sizes.splits(pool.kind, request.rounded, block.size)
    }

    /// Hands a block to the program, cut to size.
    pub(super) fn hand_out(&mut self, found: Found, request: &Request) -> BlockId {
        let Found { slot: found, place } = found;
        let was_split = self.blocks[found].is_split();
        let expandable = self.blocks[found].segment.is_some();
        let kind = self.pools[self.blocks[found].pool.0 as usize].kind;
        let whole = self.blocks[found].size.get();
        let slot = if self.splits(found, request) {
            let front = self.blocks.cut_front(found, request.rounded);
            match place {
                Some(place) => self.put_rest(found, place),
                None => self.put(found),
            }
            let rest = self.blocks[found].size.get();
            if !expandable && was_split {
                self.statistics.inactive_split_bytes.decrease(kind, request.rounded.get());
            } else if !expandable {
                self.statistics.inactive_split.increase(kind, 1);
                self.statistics.inactive_split_bytes.increase(kind, rest);
            }
            front
        } else {
            if let Some(place) = place {
                self.remove_from_free(found, place);
            }
            if !expandable && was_split {
                self.statistics.inactive_split.decrease(kind, 1);
                self.statistics.inactive_split_bytes.decrease(kind, whole);
            }
            found
        };
        let id = self.blocks.hand_out(slot, request.requested);
        self.tell(Action::Alloc, slot, request.requested);
        let size = self.blocks[slot].size;
        self.statistics.allocation.increase(kind, 1);
        self.statistics.allocated_bytes.increase(kind, size.get());
        self.statistics.active.increase(kind, 1);
        self.statistics.active_bytes.increase(kind, size.get());
        self.statistics.requested_bytes.increase(kind, request.requested.get());
        if self.rules.is_oversize(size) {
            self.statistics.add_oversize_allocation();
        }
        id
    }
}
