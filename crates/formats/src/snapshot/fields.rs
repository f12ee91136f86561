//! Looking up the same keys in a million dicts.

use crate::document::{Document, ShapeId, Value};

/// The values of some keys of a dict, each looked up once per shape.
#[derive(Debug)]
pub(super) struct Fields<const N: usize> {
    keys: [&'static str; N],
    /// Keys that are known and not used.
    ignored: &'static [&'static str],
    shape: Option<ShapeId>,
    positions: [Option<usize>; N],
    /// Keys of the shapes met so far that are neither.
    unknown: Vec<String>,
}

impl<const N: usize> Fields<N> {
    pub(super) fn new(keys: [&'static str; N], ignored: &'static [&'static str]) -> Self {
        Self { keys, ignored, shape: None, positions: [None; N], unknown: Vec::new() }
    }

    /// The values of the keys, in their order.
    pub(super) fn of(&mut self, document: &Document, dict: Value) -> [Option<Value>; N] {
        let Some((shape, values)) = document.record(dict) else {
            return self.keys.map(|key| document.get(dict, key));
        };
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            self.positions = self.keys.map(|key| document.position(shape, key));
            for key in document.shape_keys(shape) {
                let known = self.keys.contains(&key) || self.ignored.contains(&key);
                if !known && !self.unknown.iter().any(|unknown| unknown == key) {
                    self.unknown.push(key.to_owned());
                }
            }
        }
        self.positions.map(|position| position.and_then(|position| values.get(position).copied()))
    }

    /// The keys that were met and are not known, in the order of meeting.
    pub(super) fn into_unknown(self) -> Vec<String> {
        self.unknown
    }
}
