//! A sorted map of small keys, in pieces of which a search touches few cache lines.

/// A full piece is cut in two. Small enough that shifting its keys is cheap, large enough that
/// there are few pieces.
const PIECE: usize = 32;

/// A key with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

/// A place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    piece: usize,
    at: usize,
}

/// Some entries side by side. Keys and values lie apart, so a search touches keys only.
#[derive(Clone, Debug)]
struct Piece<K, V> {
    len: usize,
    keys: [K; PIECE],
    values: [V; PIECE],
}

impl<K: Copy + Ord + Default, V: Copy + Default> Piece<K, V> {
    fn new() -> Self {
        Self { len: 0, keys: [K::default(); PIECE], values: [V::default(); PIECE] }
    }

    fn keys(&self) -> &[K] {
        &self.keys[..self.len]
    }

    /// The first place whose key is not less.
    fn place_of(&self, key: K) -> usize {
        self.keys().partition_point(|&other| other < key)
    }

    fn insert(&mut self, at: usize, entry: Entry<K, V>) {
        self.keys.copy_within(at..self.len, at + 1);
        self.values.copy_within(at..self.len, at + 1);
        self.keys[at] = entry.key;
        self.values[at] = entry.value;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.keys.copy_within(at + 1..self.len, at);
        self.values.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Cuts the upper half off.
    fn split(&mut self) -> Self {
        let mut upper = Self::new();
        let half = self.len / 2;
        upper.len = self.len - half;
        upper.keys[..upper.len].copy_from_slice(&self.keys[half..self.len]);
        upper.values[..upper.len].copy_from_slice(&self.values[half..self.len]);
        self.len = half;
        upper
    }
}

/// A sorted map. A balanced tree of single keys would touch many cache lines where this touches
/// three or four; beyond some ten thousand entries the tree would win.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<K, V> {
    /// The least key of each piece.
    least: Vec<K>,
    /// Never empty, each in order and all behind the one before. Boxed, so that a new one shifts
    /// pointers instead of whole pieces.
    pieces: Vec<Box<Piece<K, V>>>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { least: Vec::new(), pieces: Vec::new() }
    }
}

impl<K: Copy + Ord + Default, V: Copy + Default> Ordered<K, V> {
    /// The piece that `key` belongs into.
    fn piece_of(&self, key: K) -> usize {
        self.least.partition_point(|&least| least <= key).saturating_sub(1)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.pieces.is_empty() {
            self.least.push(key);
            self.pieces.push(Box::new(Piece::new()));
        }
        let index = self.piece_of(key);
        let piece = &mut self.pieces[index];
        let at = piece.place_of(key);
        piece.insert(at, Entry { key, value });
        if at == 0 {
            self.least[index] = key;
        }
        if piece.len == PIECE {
            let upper = piece.split();
            self.least.insert(index + 1, upper.keys[0]);
            self.pieces.insert(index + 1, Box::new(upper));
        }
    }

    /// Removes the entry with this key where there is one.
    pub(crate) fn remove(&mut self, key: K) -> bool {
        let index = self.piece_of(key);
        let Some(piece) = self.pieces.get(index) else { return false };
        let at = piece.place_of(key);
        let found = piece.keys().get(at) == Some(&key);
        if found {
            self.remove_at(Cursor { piece: index, at });
        }
        found
    }

    pub(crate) fn remove_at(&mut self, cursor: Cursor) {
        let piece = &mut self.pieces[cursor.piece];
        piece.remove(cursor.at);
        if piece.len == 0 {
            self.pieces.remove(cursor.piece);
            self.least.remove(cursor.piece);
        } else if cursor.at == 0 {
            self.least[cursor.piece] = piece.keys[0];
        }
    }

    /// Puts an entry with a lesser key in the place of one. Where it stays behind the entry
    /// before, nothing moves.
    pub(crate) fn lessen(&mut self, cursor: Cursor, key: K, value: V) {
        let Cursor { piece, at } = cursor;
        if 0 < at && self.pieces[piece].keys[at - 1] < key {
            self.pieces[piece].keys[at] = key;
            self.pieces[piece].values[at] = value;
        } else {
            self.remove_at(cursor);
            self.insert(key, value);
        }
    }

    /// The first entry whose key is not less; past the end where there is none.
    pub(crate) fn at_least(&self, key: K) -> Cursor {
        let index = self.piece_of(key);
        let Some(piece) = self.pieces.get(index) else { return Cursor { piece: index, at: 0 } };
        let at = piece.place_of(key);
        if at == piece.len {
            Cursor { piece: index + 1, at: 0 }
        } else {
            Cursor { piece: index, at }
        }
    }

    pub(crate) fn get(&self, cursor: Cursor) -> Option<Entry<K, V>> {
        let piece = self.pieces.get(cursor.piece)?;
        let key = *piece.keys().get(cursor.at)?;
        Some(Entry { key, value: piece.values[cursor.at] })
    }

    pub(crate) fn after(&self, cursor: Cursor) -> Cursor {
        let Cursor { piece, at } = cursor;
        match self.pieces.get(piece) {
            Some(entries) if at + 1 < entries.len => Cursor { piece, at: at + 1 },
            Some(_) | None => Cursor { piece: piece + 1, at: 0 },
        }
    }

    /// The place before `cursor`, where there is one.
    pub(crate) fn before(&self, cursor: Cursor) -> Option<Cursor> {
        let Cursor { piece, at } = cursor;
        if 0 < at {
            return Some(Cursor { piece, at: at - 1 });
        }
        let piece = piece.checked_sub(1)?;
        Some(Cursor { piece, at: self.pieces.get(piece)?.len - 1 })
    }

    /// All values, in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = V> {
        self.pieces.iter().flat_map(|piece| piece.values[..piece.len].iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry::Vacant;

    use super::*;

    /// Inserts and removes beside the standard library's map, and asks both for every key.
    #[test]
    fn it_is_a_sorted_map() {
        let (mut ours, mut theirs) = (Ordered::<u64, u64>::default(), BTreeMap::new());
        let mut number = 1_u64;
        for step in 0..4000_u64 {
            number = number.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = (number >> 33) % 500;
            if (number >> 20).is_multiple_of(4) {
                assert_eq!(ours.remove(key), theirs.remove(&key).is_some());
            } else if let Vacant(place) = theirs.entry(key) {
                ours.insert(key, step);
                place.insert(step);
            }
            assert!(ours.values().eq(theirs.values().copied()));
            let found = ours.get(ours.at_least(key)).map(|entry| (entry.key, entry.value));
            let known = theirs.range(key..).next().map(|(&key, &value)| (key, value));
            assert_eq!(found, known);
            let before = ours.before(ours.at_least(key)).and_then(|cursor| ours.get(cursor));
            let known = theirs.range(..key).next_back().map(|(&key, _)| key);
            assert_eq!(before.map(|entry| entry.key), known);
        }
    }

    #[test]
    fn a_lesser_key_takes_the_place_of_an_entry() {
        let mut map = Ordered::<u64, u64>::default();
        for key in [10, 20, 30] {
            map.insert(key, key);
        }
        map.lessen(map.at_least(30), 25, 1);
        map.lessen(map.at_least(20), 5, 2);
        assert!(map.values().eq([2, 10, 1]));
    }
}
