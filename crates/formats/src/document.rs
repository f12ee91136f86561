//! Plain data as pickles and JSON hold it: numbers, texts, lists and dicts in one arena.
//!
//! A snapshot of a million events is a million dicts with the same nine keys. So a dict stores its
//! values only, side by side with those of its neighbors, and a *shape*: the list of its keys,
//! which all events share.
//!
//! ```text
//!   shapes   #0 [action, addr, size, stream]
//!   parts    dict 7: shape #0, values 28..32 ─┐      a part is what one opcode of a pickle added;
//!            dict 8: shape #0, values 32..36  │      long lists consist of several, chained
//!   values   … │ alloc │ 0x7000 │ 512 │ 0 │ … ◄      8 bytes each
//! ```
//!
//! Objects that a pickle shares stay shared: a [`Value`] equals another where both are the same
//! object. Lists may contain themselves; readers look only as deep as their format goes.

mod builder;

use std::num::NonZeroU64;

use gapless_trace::Note;

pub use builder::BuildError;
pub(crate) use builder::Builder;

/// A value of a document: a number, or which text, list or dict it is.
///
/// The lowest bit is always set, so that an `Option<Value>` takes no more room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Value(NonZeroU64);

impl Value {
    pub(crate) const NONE: Self = Self(NonZeroU64::MIN);
    /// The set bit and the tag; the rest is the payload.
    const TAG_BITS: u32 = 5;

    fn new(tag: Tag, index: u32) -> Self {
        Self::packed(tag, u64::from(index) << Self::TAG_BITS)
    }

    fn packed(tag: Tag, payload: u64) -> Self {
        Self(NonZeroU64::MIN | payload | (tag as u64) << 1)
    }

    fn small(number: i64) -> Option<Self> {
        let shifted = number << Self::TAG_BITS;
        let fits = shifted >> Self::TAG_BITS == number;
        fits.then(|| Self::packed(Tag::Small, shifted.cast_unsigned()))
    }

    pub(crate) fn bool(flag: bool) -> Self {
        Self::new(Tag::Bool, u32::from(flag))
    }

    fn tag(self) -> Tag {
        const TAGS: [Tag; 10] = [
            Tag::None,
            Tag::Bool,
            Tag::Small,
            Tag::Big,
            Tag::Float,
            Tag::Text,
            Tag::List,
            Tag::Tuple,
            Tag::Dict,
            Tag::Opaque,
        ];
        let tag = self.0.get() >> 1 & 0xf;
        usize::try_from(tag).ok().and_then(|tag| TAGS.get(tag).copied()).unwrap_or(Tag::None)
    }

    fn index(self) -> usize {
        usize::try_from(self.0.get() >> Self::TAG_BITS).unwrap_or(usize::MAX)
    }
}

/// What kind of value the rest of the bits belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tag {
    None,
    Bool,
    Small,
    Big,
    Float,
    Text,
    List,
    Tuple,
    Dict,
    Opaque,
}

/// A value as its kind.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum View<'d> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'d str),
    List,
    Tuple,
    Dict,
    /// Bytes, which snapshots never have.
    Opaque,
}

impl View<'_> {
    /// The kind in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::List => "a list",
            Self::Tuple => "a tuple",
            Self::Dict => "a dict",
            Self::Opaque => "bytes",
        }
    }
}

/// A list of keys that dicts share.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct ShapeId(u32);

/// Values of a container that were added at once.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: u32,
    len: u32,
    /// The keys of a dict's values; meaningless for lists.
    shape: ShapeId,
    /// The part with the next values, or the part itself.
    next: u32,
}

/// Plain data.
#[derive(Debug)]
pub(crate) struct Document {
    root: Value,
    values: Vec<Value>,
    parts: Vec<Part>,
    shapes: Vec<Box<[Value]>>,
    text: String,
    texts: Vec<(u32, u32)>,
    numbers: Vec<i128>,
    floats: Vec<f64>,
    notes: Vec<Note>,
}

impl Document {
    /// The outermost value.
    pub(crate) fn root(&self) -> Value {
        self.root
    }

    /// How many values stand in lists and dicts, each counted where it stands.
    pub(crate) fn value_count(&self) -> usize {
        self.values.len()
    }

    /// The bytes of all texts, each counted once.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// What the reader had to say.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// A value as its kind.
    pub(crate) fn view(&self, value: Value) -> View<'_> {
        match value.tag() {
            Tag::None => View::None,
            Tag::Bool => View::Bool(value.index() == 1),
            Tag::Small => View::Int(i128::from(value.0.get().cast_signed() >> Value::TAG_BITS)),
            Tag::Big => View::Int(self.numbers[value.index()]),
            Tag::Float => View::Float(self.floats[value.index()]),
            Tag::Text => View::Text(self.text(value)),
            Tag::List => View::List,
            Tag::Tuple => View::Tuple,
            Tag::Dict => View::Dict,
            Tag::Opaque => View::Opaque,
        }
    }

    /// A value as text, where it is one.
    pub(crate) fn as_text(&self, value: Value) -> Option<&str> {
        (value.tag() == Tag::Text).then(|| self.text(value))
    }

    /// A value as a float, where it is one.
    pub(crate) fn as_float(&self, value: Value) -> Option<f64> {
        (value.tag() == Tag::Float).then(|| self.floats[value.index()])
    }

    fn text(&self, value: Value) -> &str {
        let (start, end) = self.texts[value.index()];
        &self.text[start as usize..end as usize]
    }

    /// The values of a list or tuple in order; none of anything else.
    pub(crate) fn items(&self, list: Value) -> impl Iterator<Item = Value> + '_ {
        let is_list = matches!(list.tag(), Tag::List | Tag::Tuple);
        self.parts(list).filter(move |_| is_list).flat_map(|part| self.values_of(part)).copied()
    }

    /// How many values a list, tuple or dict has.
    pub(crate) fn len(&self, container: Value) -> usize {
        self.parts(container).map(|part| part.len as usize).sum()
    }

    /// The texts among a dict's keys, with their values; nothing of anything else.
    pub(crate) fn entries(&self, dict: Value) -> impl Iterator<Item = (&str, Value)> + '_ {
        let is_dict = dict.tag() == Tag::Dict;
        let pairs = self
            .parts(dict)
            .filter(move |_| is_dict)
            .flat_map(|part| self.keys(part.shape).iter().zip(self.values_of(part)));
        pairs.filter_map(|(&key, &value)| Some((self.as_text(key)?, value)))
    }

    /// A dict's value behind `key`; the last one where the key comes several times.
    pub(crate) fn get(&self, dict: Value, key: &str) -> Option<Value> {
        self.entries(dict).filter(|&(found, _)| found == key).last().map(|(_, value)| value)
    }

    /// The shape and the values of a dict that was made in one go, as events are.
    pub(crate) fn record(&self, dict: Value) -> Option<(ShapeId, &[Value])> {
        let part = (dict.tag() == Tag::Dict).then(|| self.parts[dict.index()])?;
        let whole = part.next as usize == dict.index();
        whole.then(|| (part.shape, self.values_of(part)))
    }

    /// The position of a key in a shape; the last one where it comes several times.
    pub(crate) fn position(&self, shape: ShapeId, key: &str) -> Option<usize> {
        self.keys(shape).iter().rposition(|&found| self.as_text(found) == Some(key))
    }

    /// The texts among the keys of a shape.
    pub(crate) fn shape_keys(&self, shape: ShapeId) -> impl Iterator<Item = &str> {
        self.keys(shape).iter().filter_map(|&key| self.as_text(key))
    }

    fn keys(&self, shape: ShapeId) -> &[Value] {
        &self.shapes[shape.0 as usize]
    }

    fn values_of(&self, part: Part) -> &[Value] {
        let start = part.start as usize;
        &self.values[start..start + part.len as usize]
    }

    fn parts(&self, container: Value) -> impl Iterator<Item = Part> + '_ {
        let is_container = matches!(container.tag(), Tag::List | Tag::Tuple | Tag::Dict);
        let first = is_container.then(|| container.index());
        let following = |&at: &usize| {
            let next = self.parts[at].next as usize;
            (next != at).then_some(next)
        };
        std::iter::successors(first, following).map(|at| self.parts[at])
    }
}
