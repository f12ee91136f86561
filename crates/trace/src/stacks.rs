//! Call stacks and labels, each stored once.
//!
//! A trace of a million events has a few hundred distinct stacks, so events carry a [`StackId`]
//! and the stacks live here. Frames are ordered as PyTorch writes them: innermost first.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// A stack of a [`Stacks`]; [`StackId::NONE`] where none was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(u32);

impl StackId {
    /// No stack was recorded.
    pub const NONE: Self = Self(0);

    /// Whether a stack was recorded.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// The position in [`Stacks::ids`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A frame of a [`Stacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u32);

/// A text that many events share: a user's label, a file, a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId(u32);

impl LabelId {
    /// The empty text.
    pub const EMPTY: Self = Self(0);

    /// The position in [`Stacks::labels`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One frame: where in the program's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The file as the recorder wrote it.
    pub file: &'a str,
    /// The line, 0 where unknown (C++ frames).
    pub line: u32,
    /// The function.
    pub function: &'a str,
}

/// Every text, frame and stack of a recording, each once.
#[derive(Clone, Debug)]
pub struct Stacks {
    texts: Interned<Box<str>>,
    frames: Interned<(LabelId, u32, LabelId)>,
    lists: Interned<Box<[FrameId]>>,
}

impl Default for Stacks {
    fn default() -> Self {
        let mut stacks = Self {
            texts: Interned::default(),
            frames: Interned::default(),
            lists: Interned::default(),
        };
        stacks.label("");
        stacks.stack(&[]);
        stacks
    }
}

impl Stacks {
    /// The id of a text.
    pub fn label(&mut self, text: &str) -> LabelId {
        LabelId(self.texts.id(text, |text| text.into()))
    }

    /// The id of a frame.
    pub fn frame(&mut self, file: &str, line: u32, function: &str) -> FrameId {
        let key = (self.label(file), line, self.label(function));
        FrameId(self.frames.id(&key, |key| *key))
    }

    /// The id of a stack, given innermost first; no frames are [`StackId::NONE`].
    pub fn stack(&mut self, frames: &[FrameId]) -> StackId {
        StackId(self.lists.id(frames, |frames| frames.into()))
    }

    /// Whether a stack is one of these.
    pub fn has_stack(&self, stack: StackId) -> bool {
        stack.index() < self.lists.items.len()
    }

    /// Whether a label is one of these.
    pub fn has_label(&self, label: LabelId) -> bool {
        label.index() < self.texts.items.len()
    }

    /// The text of a label; empty for one that is not of these.
    pub fn text(&self, label: LabelId) -> &str {
        self.texts.items.get(label.index()).map_or("", |text| text)
    }

    /// The frames of a stack, innermost first; none for one that is not of these.
    pub fn frames(&self, stack: StackId) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        let frames = self.lists.items.get(stack.index()).map_or(&[][..], |frames| frames);
        frames.iter().map(|frame| {
            let (file, line, function) = self.frames.items[frame.0 as usize];
            Frame { file: self.text(file), line, function: self.text(function) }
        })
    }

    /// The ids of all stacks, [`StackId::NONE`] first.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = StackId> + use<> {
        let count = u32::try_from(self.lists.items.len()).unwrap_or(u32::MAX);
        (0..count).map(StackId)
    }

    /// The ids of all texts, [`LabelId::EMPTY`] first: those of labels, files and functions.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = LabelId> + use<> {
        let count = u32::try_from(self.texts.items.len()).unwrap_or(u32::MAX);
        (0..count).map(LabelId)
    }
}

/// Distinct items in the order they came, and where each is.
#[derive(Clone, Debug)]
struct Interned<T> {
    items: Vec<T>,
    ids: FxHashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { items: Vec::new(), ids: FxHashMap::default() }
    }
}

impl<T: Hash + Eq + Clone> Interned<T> {
    fn id<Q: Hash + Eq + ?Sized>(&mut self, item: &Q, own: impl FnOnce(&Q) -> T) -> u32
    where
        T: std::borrow::Borrow<Q>,
    {
        if let Some(&id) = self.ids.get(item) {
            return id;
        }
        let id = u32::try_from(self.items.len()).unwrap_or_else(|_| {
            panic!("a recording has fewer than 2^32 distinct texts and stacks")
        });
        let item = own(item);
        self.items.push(item.clone());
        self.ids.insert(item, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stacks_are_one() {
        let mut stacks = Stacks::default();
        let forward = stacks.frame("model.py", 66, "forward");
        let main = stacks.frame("train.py", 9, "<module>");
        let first = stacks.stack(&[forward, main]);
        let again = stacks.frame("model.py", 66, "forward");
        assert_eq!(stacks.stack(&[again, main]), first);
        assert_ne!(stacks.stack(&[main, forward]), first);
        let innermost = stacks.frames(first).next().unwrap();
        assert_eq!(innermost, Frame { file: "model.py", line: 66, function: "forward" });
    }

    #[test]
    fn no_frames_are_no_stack() {
        let mut stacks = Stacks::default();
        assert_eq!(stacks.stack(&[]), StackId::NONE);
        assert!(!StackId::NONE.is_some());
    }
}
