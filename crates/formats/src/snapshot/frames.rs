//! Call stacks: lists of frames that thousands of events share.

use gapless_trace::{FrameId, StackId};
use rustc_hash::FxHashMap;

use super::fields::Fields;
use super::{Decoder, numbers};
use crate::document::{Value, View};

/// Frames per stack that are kept; deeper ones say nothing about where memory goes.
const MOST_FRAMES: usize = 512;

const KEYS: [&str; 3] = ["filename", "line", "name"];
/// What `torch.fx` knows of a frame.
const IGNORED: &[&str] = &["fx_node_op", "fx_node_name", "fx_node_target", "fx_original_trace"];

/// Which lists and dicts of the document have become which stacks and frames.
///
/// A shared list is one object of the document, so it is looked at once.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) fields: Fields<3>,
    lists: FxHashMap<Value, StackId>,
    dicts: FxHashMap<Value, FrameId>,
    last: Option<(Value, StackId)>,
}

impl Default for Frames {
    fn default() -> Self {
        let fields = Fields::new("frames", KEYS, IGNORED);
        Self { fields, lists: FxHashMap::default(), dicts: FxHashMap::default(), last: None }
    }
}

impl Decoder<'_> {
    /// The stack that a list of frames is; [`StackId::NONE`] for anything else.
    pub(super) fn stack(&mut self, list: Option<Value>) -> StackId {
        let Some(list) = list else { return StackId::NONE };
        if let Some((value, stack)) = self.frames.last
            && value == list
        {
            return stack;
        }
        let known = self.frames.lists.get(&list).copied();
        let stack = known.unwrap_or_else(|| self.new_stack(list));
        self.frames.last = Some((list, stack));
        stack
    }

    fn new_stack(&mut self, list: Value) -> StackId {
        let document = self.document;
        let is_list = matches!(document.view(list), View::List | View::Tuple);
        if !is_list && document.view(list) != View::None {
            self.complaints.skipped("frames that are no list", String::new);
        }
        let mut frames = Vec::new();
        let mut values = document.items(list);
        for value in values.by_ref().take(MOST_FRAMES) {
            let known = self.frames.dicts.get(&value).copied();
            frames.push(known.unwrap_or_else(|| self.new_frame(value)));
        }
        if values.next().is_some() {
            let what = format!("the frames past the {MOST_FRAMES}th of a stack");
            self.complaints.skipped(what, String::new);
        }
        let stack = self.stacks.stack(&frames);
        self.frames.lists.insert(list, stack);
        stack
    }

    fn new_frame(&mut self, value: Value) -> FrameId {
        let document = self.document;
        let (file, line, name) = match document.view(value) {
            View::Text(name) => ("", None, name),
            View::Dict => {
                let fields = &mut self.frames.fields;
                let (allowance, complaints) = (&mut self.allowance, &mut self.complaints);
                let [file, line, name] = fields.of(document, value, allowance, complaints);
                let text = |text: Option<Value>| text.and_then(|text| document.as_text(text));
                (text(file).unwrap_or_default(), line, text(name).unwrap_or_default())
            }
            View::None
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::List
            | View::Tuple
            | View::Opaque => {
                self.complaints.skipped("a frame that is neither a dict nor a text", String::new);
                ("", None, "")
            }
        };
        let line = line.and_then(|line| numbers::count(document, line));
        let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
        let is_paid = self.allowance.take_text(file) && self.allowance.take_text(name);
        let frame = if is_paid {
            self.stacks.frame(file, line, name)
        } else {
            self.complaints.cut_off(String::new);
            self.stacks.frame("", 0, "")
        };
        self.frames.dicts.insert(value, frame);
        frame
    }
}
