//! Pools: blocks of one kind of size, kept apart by stream.

use std::collections::BTreeMap;

use gapless_trace::SizePool;
use gapless_units::{Addr, StreamId};

use super::block::Blocks;
use super::free_set::{FreeSet, Key};
use super::names::{PrivateIndex, Slot};
use super::rules::TieBreak;
use crate::ordered::Cursor;

/// What of one stream's memory in a pool can be handed out.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) free: FreeSet,
    /// The ranges of expandable segments that are not mapped, by address.
    pub(super) unmapped: BTreeMap<Addr, Slot>,
}

/// The small or the large half of the default pool or of a private one.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) kind: SizePool,
    /// The private pool it is half of.
    pub(super) owner: Option<PrivateIndex>,
    /// How often the free blocks were searched; counted only where garbage is collected.
    pub(super) searches: u64,
    /// In the order of streams.
    shelves: Vec<(StreamId, Shelf)>,
}

impl Pool {
    pub(super) fn new(kind: SizePool, owner: Option<PrivateIndex>) -> Self {
        Self { kind, owner, searches: 0, shelves: Vec::new() }
    }

    pub(super) fn shelf(&self, stream: StreamId) -> Option<&Shelf> {
        let at = self.shelves.iter().position(|&(other, _)| other == stream)?;
        Some(&self.shelves[at].1)
    }

    pub(super) fn shelf_mut(&mut self, stream: StreamId) -> &mut Shelf {
        if let Some(at) = self.shelves.iter().position(|&(other, _)| other == stream) {
            return &mut self.shelves[at].1;
        }
        let at = self.shelves.partition_point(|&(other, _)| other < stream);
        self.shelves.insert(at, (stream, Shelf::default()));
        &mut self.shelves[at].1
    }

    /// The shelves of all streams in order.
    pub(super) fn shelves(&self) -> impl DoubleEndedIterator<Item = (StreamId, &Shelf)> {
        self.shelves.iter().map(|(stream, shelf)| (*stream, shelf))
    }

    /// Every free block in the order of the search, stream by stream.
    pub(super) fn free_blocks(&self) -> Vec<Slot> {
        self.shelves().flat_map(|(_, shelf)| shelf.free.values()).collect()
    }

    /// Makes a block free to be handed out.
    pub(super) fn put(&mut self, blocks: &mut Blocks, slot: Slot, tie_break: TieBreak) {
        let searches = self.searches;
        let block = &mut blocks[slot];
        block.free_since = searches;
        let key = Key::of(block, tie_break);
        self.shelf_mut(block.stream).free.insert(key, slot);
    }

    /// Puts what is left of a block, whose front was cut off, in its place among the free ones.
    pub(super) fn put_rest(
        &mut self,
        blocks: &mut Blocks,
        slot: Slot,
        place: Cursor,
        tie_break: TieBreak,
    ) {
        let searches = self.searches;
        let block = &mut blocks[slot];
        block.free_since = searches;
        let key = Key::of(block, tie_break);
        self.shelf_mut(block.stream).free.lessen(place, key, slot);
    }

    /// Takes a block from the free ones, where it is among them.
    pub(super) fn take(&mut self, blocks: &Blocks, slot: Slot, tie_break: TieBreak) {
        let block = &blocks[slot];
        let key = Key::of(block, tie_break);
        self.shelf_mut(block.stream).free.remove(key);
    }
}
