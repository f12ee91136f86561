//! Which blocks are free: by size, by address, by age. All books of free blocks change here.

use gapless_device::Device;

use super::GaplessAllocator;
use super::block::State;
use super::names::{ArenaIndex, At};
use crate::observer::Observer;

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// Enters a free block, already merged, into the books.
    pub(super) fn put_free(&mut self, at: At) {
        let block = &self.blocks[at];
        self.free.insert(block.addr, at);
        let (freed, arena) = (block.freed, block.arena);
        self.arenas[arena].insert(block, at);
        if self.has_movable_pages(at) {
            self.movable.insert((freed, at));
        }
    }

    /// Takes a free block out of the books.
    pub(super) fn take_free(&mut self, at: At) {
        let block = &self.blocks[at];
        self.free.remove(&block.addr);
        let (freed, arena) = (block.freed, block.arena);
        self.arenas[arena].remove(block, at);
        self.movable.remove(&(freed, at));
    }

    /// Whether whole pages lie in a free block that are not bound to a private pool.
    fn has_movable_pages(&self, at: At) -> bool {
        let block = &self.blocks[at];
        let start = self.table.territory(block.territory).extent.start();
        let whole = block.extent().whole_pages(start, self.table.page_size).size();
        let pool = self.arenas[block.arena].pool;
        u64::from(block.holes) < whole.get() / self.table.page_size.get()
            && (!pool.is_private() || self.ended.contains(&pool))
    }

    /// Merges a block that nobody uses with its free neighbors and enters it into the books.
    pub(super) fn merge_free(&mut self, mut at: At) {
        self.blocks[at].state = State::Free;
        self.blocks[at].holes = 0;
        if let Some(next) = self.blocks[at].next.some()
            && self.blocks[next].state == State::Free
        {
            self.take_free(next);
            self.blocks.absorb_next(at);
        }
        if let Some(prev) = self.blocks[at].prev.some()
            && self.blocks[prev].state == State::Free
        {
            self.take_free(prev);
            self.blocks.absorb_next(prev);
            at = prev;
        }
        self.put_free(at);
    }

    /// Merges everything that an arena has on its shelves.
    pub(super) fn clear_shelves(&mut self, arena: ArenaIndex) {
        if self.arenas[arena].shelved == 0 {
            return;
        }
        for at in self.arenas[arena].clear_shelves() {
            self.merge_free(at);
        }
    }

    /// Merges everything that is on any shelf.
    pub(super) fn clear_all_shelves(&mut self) {
        for arena in self.arenas.indices() {
            self.clear_shelves(arena);
        }
    }
}
