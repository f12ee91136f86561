//! Looking up the same keys in a million dicts.

use rustc_hash::FxHashMap;

use super::allowance::Allowance;
use super::complaints::Complaints;
use crate::document::{Document, ShapeId, Value};

/// The values of some keys of a dict, each looked up once per shape.
#[derive(Debug)]
pub(super) struct Fields<const N: usize> {
    keys: [&'static str; N],
    /// Keys that are known and not used.
    ignored: &'static [&'static str],
    /// What the dicts are, in the notes about keys that are neither.
    owner: &'static str,
    seen: Vec<Seen<N>>,
    places: FxHashMap<ShapeId, usize>,
    /// The place of the last dict's shape, which the next one very likely has too.
    last: usize,
}

/// A shape that was met.
#[derive(Debug)]
struct Seen<const N: usize> {
    shape: ShapeId,
    /// Where each key is, counted from 1; 0 where it is not.
    positions: [u32; N],
    /// How many dicts have the shape.
    count: usize,
}

impl<const N: usize> Fields<N> {
    pub(super) fn new(
        owner: &'static str,
        keys: [&'static str; N],
        ignored: &'static [&'static str],
    ) -> Self {
        let (seen, places) = (Vec::new(), FxHashMap::default());
        Self { keys, ignored, owner, seen, places, last: 0 }
    }

    /// The values of the keys, in their order.
    pub(super) fn of(
        &mut self,
        document: &Document,
        dict: Value,
        allowance: &mut Allowance,
        complaints: &mut Complaints,
    ) -> [Option<Value>; N] {
        let Some((shape, values)) = document.record(dict) else {
            allowance.take(document.len(dict));
            return self.of_parts(document, dict, complaints);
        };
        if self.seen.get(self.last).is_none_or(|seen| seen.shape != shape) {
            self.last = self.place(document, shape);
        }
        let seen = &mut self.seen[self.last];
        seen.count += 1;
        seen.positions.map(|position| values.get((position as usize).checked_sub(1)?).copied())
    }

    /// The place among the shapes that were met, of one that may be new.
    fn place(&mut self, document: &Document, shape: ShapeId) -> usize {
        if let Some(&place) = self.places.get(&shape) {
            return place;
        }
        let position = |key| {
            let position = document.position(shape, key)?;
            u32::try_from(position + 1).ok()
        };
        let positions = self.keys.map(|key| position(key).unwrap_or(0));
        let place = self.seen.len();
        self.seen.push(Seen { shape, positions, count: 0 });
        self.places.insert(shape, place);
        place
    }

    /// The values in a dict that was not made in one go, as protocol 0 makes all of them.
    fn of_parts(
        &self,
        document: &Document,
        dict: Value,
        complaints: &mut Complaints,
    ) -> [Option<Value>; N] {
        let mut found = [None; N];
        for (key, value) in document.entries(dict) {
            if let Some(index) = self.keys.iter().position(|&known| known == key) {
                found[index] = Some(value);
            } else if !self.ignored.contains(&key) {
                complaints.unknown_key(self.owner, key, 1);
            }
        }
        found
    }

    /// Says which keys were met that are not known.
    pub(super) fn complain(self, document: &Document, complaints: &mut Complaints) {
        for seen in self.seen {
            for key in document.shape_keys(seen.shape) {
                if !self.keys.contains(&key) && !self.ignored.contains(&key) {
                    complaints.unknown_key(self.owner, key, seen.count);
                }
            }
        }
    }
}
