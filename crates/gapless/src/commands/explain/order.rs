//! What was meant by what was typed.

use gapless::report::Asked;

use super::typed::{Format, Typed};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;

/// What to explain, and how to tell it.
#[derive(Debug)]
pub(super) struct Order {
    /// The recordings.
    pub(super) inputs: Vec<Input>,
    /// What is asked about each.
    pub(super) asked: Asked,
    /// How to tell it.
    pub(super) format: Format,
    /// Whether to hide paths and names.
    pub(super) redact: bool,
    /// Whether to tell everything.
    pub(super) verbose: bool,
    /// Where to.
    pub(super) output: Output,
}

impl Typed {
    /// The order that was meant, or why it cannot be carried out.
    pub(super) fn mean(self) -> Result<Order, Failure> {
        let output = self.output.mean();
        let inputs: Vec<Input> = self.files.into_iter().map(Input::new).collect();
        if self.format == Format::Html {
            if output.is_terminal() {
                return Err(Failure::PageOnTerminal);
            }
            if 1 < inputs.len() {
                return Err(Failure::OnePageEach { count: inputs.len() });
            }
        }
        output.spare(&inputs)?;
        Ok(Order {
            inputs,
            asked: Asked {
                at: self.at.unwrap_or_default(),
                capacity: self.capacity,
                device: self.device,
            },
            format: self.format,
            redact: self.redact,
            verbose: self.verbose,
            output,
        })
    }
}
