//! The free blocks of one pool on one stream, in the order in which they are searched.

use gapless_units::Bytes;

use super::block::Block;
use super::names::Slot;
use super::rules::TieBreak;

/// A full chunk is cut in two. Small enough that shifting its keys is cheap, large enough that
/// there are few chunks.
const CHUNK: usize = 32;
/// All sizes and addresses are multiples of so many bytes.
const UNIT: u32 = 9;
/// Sizes and addresses are counted in units of 2^9 bytes, which leaves them 48 bits.
const BITS: u32 = 48;

/// The order of free blocks in one number: the size, then the age of the segment where it counts,
/// then the address. Comparing it takes no branch, which a search feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u128);

impl Key {
    /// Sizes and addresses below this fit into a key: the end of any address space there is.
    pub(super) const LIMIT: u64 = 1 << (BITS + UNIT);

    pub(super) fn of(block: &Block, tie_break: TieBreak) -> Self {
        let age = match tie_break {
            TieBreak::Address => 0,
            TieBreak::OldestSegment => u128::from(block.age),
        };
        let addr = u128::from(block.addr.get() >> UNIT);
        Self(Self::least(block.size).0 | age << BITS | addr)
    }

    /// The least key of a block of this size.
    fn least(size: Bytes) -> Self {
        Self(u128::from(size.get() >> UNIT) << (128 - BITS))
    }

    /// The size of the block.
    pub(super) fn size(self) -> Bytes {
        let units = self.0 >> (128 - BITS);
        Bytes::new(u64::try_from(units).unwrap_or(u64::MAX) << UNIT)
    }
}

/// A free block in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) slot: Slot,
}

/// A place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    chunk: usize,
    at: usize,
}

/// Some entries side by side. Keys and slots lie apart, so a search touches keys only.
#[derive(Clone, Debug)]
struct Chunk {
    len: usize,
    keys: [Key; CHUNK],
    slots: [Slot; CHUNK],
}

impl Chunk {
    fn new() -> Box<Self> {
        Box::new(Self { len: 0, keys: [Key(0); CHUNK], slots: [Slot::NONE; CHUNK] })
    }

    fn keys(&self) -> &[Key] {
        &self.keys[..self.len]
    }

    /// The first place whose key is not less.
    fn place_of(&self, key: Key) -> usize {
        self.keys().partition_point(|&other| other < key)
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        self.keys.copy_within(at..self.len, at + 1);
        self.slots.copy_within(at..self.len, at + 1);
        self.keys[at] = entry.key;
        self.slots[at] = entry.slot;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.keys.copy_within(at + 1..self.len, at);
        self.slots.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Cuts the upper half off.
    fn split(&mut self) -> Box<Self> {
        let mut upper = Self::new();
        let half = self.len / 2;
        upper.len = self.len - half;
        upper.keys[..upper.len].copy_from_slice(&self.keys[half..self.len]);
        upper.slots[..upper.len].copy_from_slice(&self.slots[half..self.len]);
        self.len = half;
        upper
    }
}

/// A sorted set in chunks, of which a search touches few cache lines; a balanced tree of single
/// keys would touch many.
#[derive(Clone, Debug, Default)]
pub(super) struct FreeSet {
    /// The least key of each chunk.
    least: Vec<Key>,
    /// Never empty, each in order and all behind the one before.
    #[expect(clippy::vec_box, reason = "a new chunk shifts pointers instead of whole chunks")]
    chunks: Vec<Box<Chunk>>,
}

impl FreeSet {
    /// The chunk that `key` belongs into.
    fn chunk_of(&self, key: Key) -> usize {
        self.least.partition_point(|&least| least <= key).saturating_sub(1)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        if self.chunks.is_empty() {
            self.least.push(entry.key);
            self.chunks.push(Chunk::new());
        }
        let index = self.chunk_of(entry.key);
        let chunk = &mut self.chunks[index];
        let at = chunk.place_of(entry.key);
        chunk.insert(at, entry);
        if at == 0 {
            self.least[index] = entry.key;
        }
        if chunk.len == CHUNK {
            let upper = chunk.split();
            self.least.insert(index + 1, upper.keys[0]);
            self.chunks.insert(index + 1, upper);
        }
    }

    /// Removes the block with this key where it is in the set.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let index = self.chunk_of(key);
        let Some(chunk) = self.chunks.get(index) else { return false };
        let at = chunk.place_of(key);
        let found = chunk.keys().get(at) == Some(&key);
        if found {
            self.remove_at(Cursor { chunk: index, at });
        }
        found
    }

    pub(super) fn remove_at(&mut self, cursor: Cursor) {
        let chunk = &mut self.chunks[cursor.chunk];
        chunk.remove(cursor.at);
        if chunk.len == 0 {
            self.chunks.remove(cursor.chunk);
            self.least.remove(cursor.chunk);
        } else if cursor.at == 0 {
            self.least[cursor.chunk] = chunk.keys[0];
        }
    }

    /// Puts an entry with a lesser key in the place of one. Where it stays behind the entry
    /// before, nothing moves.
    pub(super) fn lessen(&mut self, cursor: Cursor, entry: Entry) {
        let Cursor { chunk, at } = cursor;
        if 0 < at && self.chunks[chunk].keys[at - 1] < entry.key {
            self.chunks[chunk].keys[at] = entry.key;
            self.chunks[chunk].slots[at] = entry.slot;
        } else {
            self.remove_at(cursor);
            self.insert(entry);
        }
    }

    /// The first block of at least this size.
    pub(super) fn at_least(&self, size: Bytes) -> Cursor {
        let key = Key::least(size);
        let index = self.chunk_of(key);
        let Some(chunk) = self.chunks.get(index) else { return Cursor { chunk: index, at: 0 } };
        let at = chunk.place_of(key);
        if at == chunk.len {
            Cursor { chunk: index + 1, at: 0 }
        } else {
            Cursor { chunk: index, at }
        }
    }

    pub(super) fn get(&self, cursor: Cursor) -> Option<Entry> {
        let chunk = self.chunks.get(cursor.chunk)?;
        let key = *chunk.keys().get(cursor.at)?;
        Some(Entry { key, slot: chunk.slots[cursor.at] })
    }

    pub(super) fn after(&self, cursor: Cursor) -> Cursor {
        let Cursor { chunk, at } = cursor;
        match self.chunks.get(chunk) {
            Some(entries) if at + 1 < entries.len => Cursor { chunk, at: at + 1 },
            Some(_) | None => Cursor { chunk: chunk + 1, at: 0 },
        }
    }

    /// The place before `cursor`, where there is one.
    pub(super) fn before(&self, cursor: Cursor) -> Option<Cursor> {
        let Cursor { chunk, at } = cursor;
        if 0 < at {
            return Some(Cursor { chunk, at: at - 1 });
        }
        let chunk = chunk.checked_sub(1)?;
        Some(Cursor { chunk, at: self.chunks.get(chunk)?.len - 1 })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.chunks.iter().flat_map(|chunk| chunk.slots[..chunk.len].iter().copied())
    }
}
