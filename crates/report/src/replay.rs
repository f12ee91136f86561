//! A recording replayed under other settings, on another card, and what is told of that.
//!
//! ```text
//!   Examination ──► Replayed ──► ReplayFacts ─┬─► json
//!                   runs, each with            ├─► text
//!                   fidelity and diagnosis     ├─► markdown
//!                                              └─► page
//! ```

mod replayed;

mod fidelity;

mod facts;

mod words;

mod markdown;
mod page;
mod text;

pub use facts::{
    BlockFacts, CountersFacts, FinalFacts, REPLAY_SCHEMA, ReplayFacts, RunFacts, RunFailureFacts,
    SegmentFacts,
};
pub use fidelity::{DifferenceFacts, FidelityFacts};
pub use markdown::replay_markdown;
pub use page::replay_page;
pub use replayed::{Conditions, Origin, Replayed, ReplayedRun, Unreplayable};
pub use text::replay_text;

pub(crate) use words::{EXACT, fidelity_sentence, millis};

use crate::json::{Inputs, lines};

/// The facts as JSON of the schema [`REPLAY_SCHEMA`]; several recordings in a list.
pub fn replay_json(replays: &[ReplayFacts], inputs: Inputs) -> Result<String, serde_json::Error> {
    lines(REPLAY_SCHEMA, replays, inputs)
}
