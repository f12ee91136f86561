//! The blocks that the program has, or that other streams still use.

use std::ops::{Index, IndexMut};

use gapless_units::{Bytes, Extent, StreamId};

use super::names::BlockId;

/// Who still has a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The program.
    Program,
    /// Other streams, whose work is not yet done.
    Streams,
    /// Nobody: the entry waits to be used again.
    Nobody,
}

/// A block that is not free.
#[derive(Clone, Debug)]
pub(super) struct Held<P> {
    pub(super) piece: P,
    pub(super) extent: Extent,
    pub(super) requested: Bytes,
    pub(super) stream: StreamId,
    /// The pool it is from, by its place among all pools.
    pub(super) pool: usize,
    pub(super) holder: Holder,
    /// Whether other streams used it since it was handed out.
    pub(super) used_elsewhere: bool,
    /// Events of other streams that it waits for.
    pub(super) events: u32,
    generation: u32,
}

/// All blocks that are not free. Places are used again, under another generation.
#[derive(Clone, Debug)]
pub(super) struct HeldBlocks<P> {
    entries: Vec<Held<P>>,
    vacant: Vec<u32>,
}

impl<P> Default for HeldBlocks<P> {
    fn default() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }
}

impl<P> HeldBlocks<P> {
    /// Notes a block that the program gets.
    pub(super) fn hand_out(
        &mut self,
        piece: P,
        extent: Extent,
        requested: Bytes,
        stream: StreamId,
        pool: usize,
    ) -> BlockId {
        let (holder, used_elsewhere, events) = (Holder::Program, false, 0);
        let generation = 0;
        let entry = Held {
            piece,
            extent,
            requested,
            stream,
            pool,
            holder,
            used_elsewhere,
            events,
            generation,
        };
        if let Some(place) = self.vacant.pop() {
            let generation = self[place].generation.wrapping_add(1);
            self[place] = Held { generation, ..entry };
            return BlockId { place, generation };
        }
        let place = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(entry);
        BlockId { place, generation }
    }

    /// The place of a block that the program has.
    pub(super) fn place(&self, block: BlockId) -> Option<u32> {
        let entry = self.entries.get(block.place as usize)?;
        (entry.generation == block.generation && entry.holder == Holder::Program)
            .then_some(block.place)
    }

    /// Forgets a block that is free now.
    pub(super) fn forget(&mut self, place: u32) {
        self[place].holder = Holder::Nobody;
        self.vacant.push(place);
    }

    /// The blocks that somebody has.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Held<P>)> {
        let entries = (0..).zip(&self.entries);
        entries.filter(|(_, entry)| entry.holder != Holder::Nobody)
    }
}

impl<P> Index<u32> for HeldBlocks<P> {
    type Output = Held<P>;

    fn index(&self, place: u32) -> &Held<P> {
        &self.entries[place as usize]
    }
}

impl<P> IndexMut<u32> for HeldBlocks<P> {
    fn index_mut(&mut self, place: u32) -> &mut Held<P> {
        &mut self.entries[place as usize]
    }
}
