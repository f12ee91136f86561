//! Call stacks: lists of frames that thousands of events share.

use gapless_trace::{FrameId, StackId, Stacks};
use rustc_hash::FxHashMap;

use super::numbers;
use crate::document::{Document, Value};

/// Frames per stack that are kept; deeper ones say nothing about where memory goes.
const MOST_FRAMES: usize = 512;

/// Which lists and dicts of the document have become which stacks and frames.
///
/// A shared list is one object of the document, so it is looked at once.
#[derive(Debug, Default)]
pub(super) struct Frames {
    lists: FxHashMap<Value, StackId>,
    dicts: FxHashMap<Value, FrameId>,
    last: Option<(Value, StackId)>,
    buffer: Vec<FrameId>,
}

impl Frames {
    /// The stack that a list of frames is; [`StackId::NONE`] for anything else.
    pub(super) fn stack(&mut self, document: &Document, list: Value, into: &mut Stacks) -> StackId {
        if let Some((value, stack)) = self.last
            && value == list
        {
            return stack;
        }
        let stack = if let Some(&stack) = self.lists.get(&list) {
            stack
        } else {
            let stack = self.read(document, list, into);
            self.lists.insert(list, stack);
            stack
        };
        self.last = Some((list, stack));
        stack
    }

    fn read(&mut self, document: &Document, list: Value, into: &mut Stacks) -> StackId {
        self.buffer.clear();
        for value in document.items(list).take(MOST_FRAMES) {
            let known = self.dicts.get(&value).copied();
            let frame = known.unwrap_or_else(|| {
                let frame = read_frame(document, value, into);
                self.dicts.insert(value, frame);
                frame
            });
            self.buffer.push(frame);
        }
        into.stack(&self.buffer)
    }
}

fn read_frame(document: &Document, frame: Value, into: &mut Stacks) -> FrameId {
    if let Some(text) = document.as_text(frame) {
        return into.frame("", 0, text);
    }
    let text = |key| {
        document.get(frame, key).and_then(|value| document.as_text(value)).unwrap_or_default()
    };
    let line = document.get(frame, "line").and_then(|line| numbers::count(document, line));
    let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    into.frame(text("filename"), line, text("name"))
}
