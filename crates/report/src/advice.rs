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

use crate::json::lines;

/// The facts as JSON of the schema [`ADVICE_SCHEMA`]; of `several` recordings that were asked
/// about in a list.
pub fn advice_json(advice: &[AdviceFacts], several: bool) -> Result<String, serde_json::Error> {
    lines(ADVICE_SCHEMA, advice, several)
}
