//! Facts, and one file per report format.
//!
//! ```text
//!   Recording ──► redact ──► Examination ──► Facts ─┬─► json
//!                 (if asked)  rebuilt and            ├─► text
//!                             diagnosed              ├─► markdown
//!                                                    └─► html
//! ```
//!
//! Nothing here decides anything about memory: what is true is said by `gapless-diagnose`, and
//! these modules tell it.

mod redact;

mod examination;

pub mod facts;

mod figures;
mod names;
mod survey;
mod words;

mod json;
mod markdown;
mod text;

mod html;

mod curves;
mod sheet;

mod replay;

mod advice;

mod comparison;

pub use advice::{
    ADVICE_SCHEMA, AdviceFacts, Advised, AdvisedDevice, CardFacts, ConflictFacts,
    DeviceAdviceFacts, NoHelpFacts, PrescriptionFacts, ReplacementFacts, TrialFacts, advice_json,
    advice_markdown, advice_page, advice_text,
};
pub use comparison::{
    COMPARISON_SCHEMA, Compared, ComparedDevice, ComparedIteration, ComparisonFacts,
    ContenderFacts, DeviceCallsFacts, comparison_json, comparison_markdown, comparison_page,
    comparison_text,
};
pub use examination::{Asked, Examination, ExamineError, Examined, Moment, Source};
pub use facts::{Facts, SCHEMA};
pub use html::html;
pub use json::{Inputs, json};
pub use markdown::markdown;
pub use redact::{redact, redacted_path};
pub use replay::{
    BlockFacts, Conditions, CountersFacts, DifferenceFacts, FidelityFacts, FinalFacts, Origin,
    REPLAY_SCHEMA, ReplayFacts, Replayed, ReplayedRun, RunFacts, RunFailureFacts, SegmentFacts,
    Unreplayable, replay_json, replay_markdown, replay_page, replay_text,
};
pub use survey::{SurveyRow, survey};
pub use text::{Look, text};
