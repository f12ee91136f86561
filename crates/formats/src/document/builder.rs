//! Building a document, value by value, as a reader meets them.

use std::hash::{BuildHasher, Hash};

use gapless_trace::Note;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::{Document, Part, ShapeId, Tag, Value};

/// Why a document cannot grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// More than 2^32 values, texts or containers.
    #[error("it holds more than 2^32 values")]
    TooMany,
    /// Values were added to something that is not a list or not a dict.
    #[error("it adds items to {0}")]
    NotAContainer(&'static str),
}

/// A document under construction.
///
/// Equal texts and equal shapes become one. They are found by their hash and then compared; of two
/// with the same hash only the later is found again, so that a file made of collisions costs
/// sharing and never time.
#[derive(Debug)]
pub(crate) struct Builder {
    document: Document,
    text_ids: FxHashMap<u64, Value>,
    shape_ids: FxHashMap<u64, ShapeId>,
    /// The shape of the last dict, which the next one very likely has too.
    last_shape: ShapeId,
    /// The last part of each container that has several.
    tails: FxHashMap<u32, u32>,
    /// How many texts had bytes that are no UTF-8.
    mended: usize,
}

impl Builder {
    /// An empty document.
    pub(crate) fn new() -> Self {
        let document = Document {
            root: Value::NONE,
            values: Vec::new(),
            parts: Vec::new(),
            shapes: vec![Box::from([])],
            text: String::new(),
            texts: Vec::new(),
            numbers: Vec::new(),
            floats: Vec::new(),
            notes: Vec::new(),
        };
        Self {
            document,
            text_ids: FxHashMap::default(),
            shape_ids: FxHashMap::default(),
            last_shape: ShapeId(0),
            tails: FxHashMap::default(),
            mended: 0,
        }
    }

    pub(crate) fn int(&mut self, number: i128) -> Result<Value, BuildError> {
        if let Some(value) = i64::try_from(number).ok().and_then(Value::small) {
            return Ok(value);
        }
        let value = Value::new(Tag::Big, position(self.document.numbers.len())?);
        self.document.numbers.push(number);
        Ok(value)
    }

    pub(crate) fn float(&mut self, number: f64) -> Result<Value, BuildError> {
        let value = Value::new(Tag::Float, position(self.document.floats.len())?);
        self.document.floats.push(number);
        Ok(value)
    }

    /// A text; bytes that are no UTF-8 are replaced, and counted in a note.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Result<Value, BuildError> {
        let text = String::from_utf8_lossy(bytes);
        if text.as_bytes() != bytes {
            self.mended += 1;
        }
        let hash = hash(text.as_bytes());
        let known = self.text_ids.get(&hash).copied();
        if let Some(known) = known.filter(|&known| self.document.text(known) == text) {
            return Ok(known);
        }
        let start = position(self.document.text.len())?;
        let end = position(self.document.text.len().saturating_add(text.len()))?;
        let value = Value::new(Tag::Text, position(self.document.texts.len())?);
        self.document.text.push_str(&text);
        self.document.texts.push((start, end));
        self.text_ids.insert(hash, value);
        Ok(value)
    }

    /// Bytes, of which only the existence is kept.
    pub(crate) fn opaque() -> Value {
        Value::new(Tag::Opaque, 0)
    }

    pub(crate) fn list(&mut self, items: &[Value]) -> Result<Value, BuildError> {
        self.container(Tag::List, ShapeId(0), items.iter().copied())
    }

    pub(crate) fn tuple(&mut self, items: &[Value]) -> Result<Value, BuildError> {
        self.container(Tag::Tuple, ShapeId(0), items.iter().copied())
    }

    /// A dict of keys and values in turn.
    pub(crate) fn dict(&mut self, pairs: &[Value]) -> Result<Value, BuildError> {
        let shape = self.shape(pairs)?;
        self.container(Tag::Dict, shape, pairs.iter().skip(1).step_by(2).copied())
    }

    /// Adds items to a list.
    pub(crate) fn append(&mut self, list: Value, items: &[Value]) -> Result<(), BuildError> {
        if list.tag() != Tag::List {
            return Err(BuildError::NotAContainer(self.document.view(list).kind()));
        }
        if items.is_empty() {
            return Ok(());
        }
        self.extend(list, ShapeId(0), items.iter().copied())
    }

    /// Adds keys and values in turn to a dict.
    pub(crate) fn set_items(&mut self, dict: Value, pairs: &[Value]) -> Result<(), BuildError> {
        if dict.tag() != Tag::Dict {
            return Err(BuildError::NotAContainer(self.document.view(dict).kind()));
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let shape = self.shape(pairs)?;
        self.extend(dict, shape, pairs.iter().skip(1).step_by(2).copied())
    }

    /// The shape of the keys among `pairs`.
    fn shape(&mut self, pairs: &[Value]) -> Result<ShapeId, BuildError> {
        // Every dict of a pickle begins empty; that says nothing about the next one's keys.
        if pairs.is_empty() {
            return Ok(ShapeId(0));
        }
        let keys = pairs.iter().step_by(2);
        let last = &self.document.shapes[self.last_shape.0 as usize];
        if last.iter().eq(keys.clone()) {
            return Ok(self.last_shape);
        }
        let keys: Box<[Value]> = keys.copied().collect();
        let hash = hash(&keys);
        let known = self.shape_ids.get(&hash).copied();
        let known = known.filter(|known| self.document.shapes[known.0 as usize] == keys);
        let shape = if let Some(known) = known {
            known
        } else {
            let shape = ShapeId(position(self.document.shapes.len())?);
            self.document.shapes.push(keys);
            self.shape_ids.insert(hash, shape);
            shape
        };
        self.last_shape = shape;
        Ok(shape)
    }

    fn container(
        &mut self,
        tag: Tag,
        shape: ShapeId,
        values: impl Iterator<Item = Value>,
    ) -> Result<Value, BuildError> {
        let at = self.part(shape, values)?;
        Ok(Value::new(tag, at))
    }

    /// Adds a part to a container, in place of its first where that is empty. So no part is empty
    /// but the only one of an empty container, and parts never outnumber values.
    fn extend(
        &mut self,
        container: Value,
        shape: ShapeId,
        values: impl Iterator<Item = Value>,
    ) -> Result<(), BuildError> {
        let first = position(container.index())?;
        let at = container.index();
        if self.document.parts[at].len == 0 && self.document.parts[at].next == first {
            let (start, len) = self.add(values)?;
            self.document.parts[at] = Part { start, len, shape, next: first };
            return Ok(());
        }
        let part = self.part(shape, values)?;
        let tail = self.tails.insert(first, part).unwrap_or(first);
        self.document.parts[tail as usize].next = part;
        Ok(())
    }

    fn part(
        &mut self,
        shape: ShapeId,
        values: impl Iterator<Item = Value>,
    ) -> Result<u32, BuildError> {
        let at = position(self.document.parts.len())?;
        let (start, len) = self.add(values)?;
        self.document.parts.push(Part { start, len, shape, next: at });
        Ok(at)
    }

    fn add(&mut self, values: impl Iterator<Item = Value>) -> Result<(u32, u32), BuildError> {
        let start = position(self.document.values.len())?;
        self.document.values.extend(values);
        let end = position(self.document.values.len())?;
        Ok((start, end - start))
    }

    /// The document with its outermost value.
    pub(crate) fn finish(mut self, root: Value) -> Document {
        self.document.root = root;
        if 0 < self.mended {
            let text =
                format!("{} texts have bytes that are no UTF-8; they were replaced", self.mended);
            self.document.notes.push(Note::missing("not-utf8", text));
        }
        self.document
    }

    /// Adds a note of the reader.
    pub(crate) fn note(&mut self, note: Note) {
        self.document.notes.push(note);
    }
}

fn hash(item: impl Hash) -> u64 {
    FxBuildHasher.hash_one(item)
}

/// A position in 32 bits.
fn position(index: usize) -> Result<u32, BuildError> {
    u32::try_from(index).map_err(|_| BuildError::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::View;

    fn texts(builder: &mut Builder, words: &[&str]) -> Vec<Value> {
        words.iter().map(|word| builder.text(word.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn dicts_with_the_same_keys_share_a_shape() {
        let mut builder = Builder::new();
        let keys = texts(&mut builder, &["addr", "size"]);
        let dict = |builder: &mut Builder, addr: i128, size: i128| {
            let (addr, size) = (builder.int(addr).unwrap(), builder.int(size).unwrap());
            builder.dict(&[keys[0], addr, keys[1], size]).unwrap()
        };
        let first = dict(&mut builder, 1, 2);
        let second = dict(&mut builder, 3, i128::from(u64::MAX));
        let root = builder.list(&[first, second]).unwrap();
        let document = builder.finish(root);
        let (shape, _) = document.record(first).unwrap();
        let (same, values) = document.record(second).unwrap();
        assert_eq!(shape, same);
        let position = document.position(shape, "size").unwrap();
        assert_eq!(document.view(values[position]), View::Int(i128::from(u64::MAX)));
    }

    #[test]
    fn the_last_of_equal_keys_wins_also_across_parts() {
        let mut builder = Builder::new();
        let keys = texts(&mut builder, &["a", "b"]);
        let [one, two, three] = [1, 2, 3].map(|number| builder.int(number).unwrap());
        let dict = builder.dict(&[keys[0], one, keys[1], two]).unwrap();
        builder.set_items(dict, &[keys[0], three]).unwrap();
        let document = builder.finish(dict);
        assert_eq!(document.get(dict, "a"), Some(three));
        assert_eq!(document.get(dict, "b"), Some(two));
        assert!(document.record(dict).is_none());
    }

    #[test]
    fn equal_texts_are_one() {
        let mut builder = Builder::new();
        let [first, second, other] =
            ["addr", "addr", "size"].map(|text| builder.text(text.as_bytes()).unwrap());
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(builder.finish(first).text_bytes(), 8);
    }

    #[test]
    fn adding_nothing_adds_no_part() {
        let mut builder = Builder::new();
        let one = builder.int(1).unwrap();
        let list = builder.list(&[one]).unwrap();
        builder.append(list, &[]).unwrap();
        assert_eq!(builder.document.parts.len(), 1);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_counted() {
        let mut builder = Builder::new();
        let text = builder.text(b"a\xffb").unwrap();
        let document = builder.finish(text);
        assert_eq!(document.view(text), View::Text("a\u{fffd}b"));
        assert_eq!(document.notes().len(), 1);
    }

    #[test]
    fn an_absent_value_takes_no_room() {
        assert_eq!((size_of::<Value>(), size_of::<Option<Value>>()), (8, 8));
    }

    #[test]
    fn a_list_grows_in_parts_and_may_hold_itself() {
        let mut builder = Builder::new();
        let list = builder.list(&[]).unwrap();
        for number in 0..5 {
            let number = builder.int(number).unwrap();
            builder.append(list, &[number]).unwrap();
        }
        builder.append(list, &[list]).unwrap();
        let document = builder.finish(list);
        assert_eq!(document.len(list), 6);
        assert_eq!(document.items(list).last(), Some(list));
    }

    #[test]
    fn negative_numbers_survive_packing() {
        let mut builder = Builder::new();
        for number in [-1, i128::from(i64::MIN), i128::from(i64::MAX), 1 << 59, -(1 << 59)] {
            let value = builder.int(number).unwrap();
            assert_eq!(builder.document.view(value), View::Int(number));
        }
    }
}
