//! The call stacks that a device's allocations have, each text and frame once.

use gapless_diagnose::Sites;
use gapless_trace::{Frame, StackId, Stacks};
use serde_json::{Value, json};

use super::numbered::Numbered;

/// Texts, frames as `[file, line, function]` by the numbers of texts, stacks as numbers of
/// frames, and for each stack the depth of the frame its reader can change.
pub(super) fn json(used: &Numbered<StackId>, stacks: &Stacks) -> Value {
    let sites = Sites::of(stacks);
    let mut texts = Numbered::default();
    let mut frames = Numbered::default();
    let mut lists = Vec::new();
    let mut depths = Vec::new();
    for &stack in used.things() {
        // A site's frame is of some stack that ends there, so it is found by what it says.
        let site = sites.frame(stacks, sites.site(stack));
        depths.push(stacks.frames(stack).position(|frame| Some(frame) == site).unwrap_or(0));
        let numbers = stacks.frames(stack).map(|Frame { file, line, function }| {
            frames.number((texts.number(file), line, texts.number(function)))
        });
        lists.push(numbers.collect::<Vec<_>>());
    }
    let frames: Vec<_> = frames.things().iter().map(|&(f, l, n)| json!([f, l, n])).collect();
    json!({"texts": texts.things(), "frames": frames, "stacks": lists, "sites": depths})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stacks_in_use_are_told_and_their_texts_once() {
        let mut stacks = Stacks::default();
        let linear = stacks.frame("/x/site-packages/torch/nn/linear.py", 7, "forward");
        let model = stacks.frame("model.py", 3, "forward");
        let unused = stacks.stack(&[linear]);
        let stack = stacks.stack(&[linear, model]);
        let mut used = Numbered::default();
        assert_eq!((used.number(stack), used.number(StackId::NONE)), (0, 1));
        assert_ne!(unused, stack);
        let texts = ["/x/site-packages/torch/nn/linear.py", "forward", "model.py"];
        let frames = json!([[0, 7, 1], [2, 3, 1]]);
        let expected =
            json!({"texts": texts, "frames": frames, "stacks": [[0, 1], []], "sites": [1, 0]});
        assert_eq!(json(&used, &stacks), expected);
    }
}
