//! Blocks: the pieces a segment is cut into.

use std::ops::{Index, IndexMut};

use gapless_units::{Addr, Bytes, Extent, StreamId};

use super::names::{BlockId, PoolIndex, SegmentIndex, Slot};

/// A piece of a segment: held, waiting for another stream, free, or not mapped.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) addr: Addr,
    pub(super) size: Bytes,
    /// What was last asked for in this block; left as it was when the block became free.
    pub(super) requested: Bytes,
    pub(super) stream: StreamId,
    pub(super) pool: PoolIndex,
    pub(super) prev: Slot,
    pub(super) next: Slot,
    /// The number of its segment, in the order in which segments came.
    pub(super) age: u32,
    /// The expandable segment it belongs to.
    pub(super) segment: Option<SegmentIndex>,
    pub(super) allocated: bool,
    pub(super) mapped: bool,
    /// Whether it was used on other streams than its own since it was handed out.
    pub(super) used_elsewhere: bool,
    /// Events of other streams that it waits for.
    pub(super) events: u32,
    /// How often its pool had been searched when the block became free.
    pub(super) free_since: u64,
    generation: u32,
}

impl Block {
    pub(super) fn end(&self) -> Addr {
        self.addr + self.size
    }

    pub(super) fn extent(&self) -> Extent {
        Extent::between(self.addr, self.end())
    }

    /// Whether it is only a part of its segment.
    pub(super) fn is_split(&self) -> bool {
        !self.prev.is_none() || !self.next.is_none()
    }

    /// Whether neither the program nor another stream has it.
    pub(super) fn is_usable(&self) -> bool {
        !self.allocated && self.events == 0 && !self.used_elsewhere
    }
}

/// All blocks of an allocator. Slots are used again, under another generation.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    slots: Vec<Block>,
    vacant: Vec<Slot>,
}

impl Blocks {
    /// A block of its own: neither split nor handed out.
    pub(super) fn add(
        &mut self,
        extent: Extent,
        stream: StreamId,
        pool: PoolIndex,
        age: u32,
    ) -> Slot {
        let block = Block {
            addr: extent.start(),
            size: extent.size(),
            requested: Bytes::ZERO,
            stream,
            pool,
            prev: Slot::NONE,
            next: Slot::NONE,
            age,
            segment: None,
            allocated: false,
            mapped: true,
            used_elsewhere: false,
            events: 0,
            free_since: 0,
            generation: 0,
        };
        self.put(block)
    }

    fn put(&mut self, mut block: Block) -> Slot {
        if let Some(slot) = self.vacant.pop() {
            block.generation = self[slot].generation;
            self[slot] = block;
            return slot;
        }
        let slot = Slot(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(block);
        slot
    }

    /// Cuts the first `size` bytes off a block as a new block before it.
    pub(super) fn cut_front(&mut self, slot: Slot, size: Bytes) -> Slot {
        let rest = &self[slot];
        let front = Block {
            size,
            requested: Bytes::ZERO,
            next: slot,
            allocated: false,
            used_elsewhere: false,
            events: 0,
            ..rest.clone()
        };
        let before = front.prev;
        let front = self.put(front);
        if let Some(before) = before.some() {
            self[before].next = front;
        }
        let rest = &mut self[slot];
        rest.prev = front;
        rest.addr = rest.addr + size;
        rest.size -= size;
        front
    }

    /// Cuts all but the first `size` bytes off a block as a new block behind it.
    pub(super) fn cut_back(&mut self, slot: Slot, size: Bytes) -> Slot {
        let first = &self[slot];
        let back = Block {
            addr: first.addr + size,
            size: first.size - size,
            requested: Bytes::ZERO,
            prev: slot,
            ..first.clone()
        };
        let behind = back.next;
        let back = self.put(back);
        if let Some(behind) = behind.some() {
            self[behind].prev = back;
        }
        let first = &mut self[slot];
        first.next = back;
        first.size = size;
        back
    }

    /// Lets `into` take the place of its neighbor `gone`.
    pub(super) fn join(&mut self, into: Slot, gone: Slot) {
        let Block { addr, size, prev, next, .. } = self[gone];
        if self[into].prev == gone {
            self[into].addr = addr;
            self[into].prev = prev;
            if let Some(prev) = prev.some() {
                self[prev].next = into;
            }
        } else {
            self[into].next = next;
            if let Some(next) = next.some() {
                self[next].prev = into;
            }
        }
        self[into].size += size;
        self.remove(gone);
    }

    /// Takes a block out of existence.
    pub(super) fn remove(&mut self, slot: Slot) {
        let block = &mut self[slot];
        block.generation = block.generation.wrapping_add(1);
        block.allocated = false;
        block.size = Bytes::ZERO;
        self.vacant.push(slot);
    }

    /// Hands a block to the program, under a name it never had before.
    pub(super) fn hand_out(&mut self, slot: Slot, requested: Bytes) -> BlockId {
        let block = &mut self[slot];
        block.generation = block.generation.wrapping_add(1);
        block.allocated = true;
        block.requested = requested;
        BlockId { slot, generation: block.generation }
    }

    /// The block of this name, where the program holds it.
    pub(super) fn held(&self, id: BlockId) -> Option<Slot> {
        let block = self.slots.get(id.slot.0 as usize)?;
        (block.allocated && block.generation == id.generation).then_some(id.slot)
    }

    /// The first block of every segment, in no order that means anything.
    pub(super) fn first_of_segments(&self) -> impl Iterator<Item = Slot> {
        let slots = (0..).map(Slot).zip(&self.slots);
        slots
            .filter(|(_, block)| block.prev.is_none() && !block.size.is_zero())
            .map(|(slot, _)| slot)
    }

    /// The blocks of a segment from `first` on.
    pub(super) fn from(&self, first: Slot) -> impl Iterator<Item = &Block> {
        self.slots_from(first).map(|(_, block)| block)
    }

    /// The blocks of a segment from `first` on, with their places.
    pub(super) fn slots_from(&self, first: Slot) -> impl Iterator<Item = (Slot, &Block)> {
        let slots = std::iter::successors(first.some(), |&slot| self[slot].next.some());
        slots.map(|slot| (slot, &self[slot]))
    }
}

impl Index<Slot> for Blocks {
    type Output = Block;

    fn index(&self, slot: Slot) -> &Block {
        &self.slots[slot.0 as usize]
    }
}

impl IndexMut<Slot> for Blocks {
    fn index_mut(&mut self, slot: Slot) -> &mut Block {
        &mut self.slots[slot.0 as usize]
    }
}
