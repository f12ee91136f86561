//! What to change about a recorded program's settings, and what is told of that.

mod advised;
mod replacement;

mod facts;

mod words;

mod markdown;
mod page;
mod text;

pub use advised::{Advised, AdvisedDevice};
pub use facts::{
    ADVICE_SCHEMA, AdviceFacts, CardFacts, ConflictFacts, DeviceAdviceFacts, NoHelpFacts,
    PrescriptionFacts, TrialFacts,
};
pub use markdown::advice_markdown;
pub use page::advice_page;
pub use replacement::ReplacementFacts;
pub use text::advice_text;

use crate::json::{Inputs, lines};

/// The facts as JSON of the schema [`ADVICE_SCHEMA`]; several recordings in a list.
pub fn advice_json(advice: &[AdviceFacts], inputs: Inputs) -> Result<String, serde_json::Error> {
    lines(ADVICE_SCHEMA, advice, inputs)
}
