//! A recording through several allocators, and what is told of that.
//!
//! ```text
//!   Examination ──► Compared ──► ComparisonFacts ─┬─► json
//!                   one run of each                ├─► text
//!                   allocator and its needs        ├─► markdown
//!                                                  └─► page
//! ```

mod compared;

mod facts;

mod words;

mod markdown;
mod page;
mod text;

pub use compared::{Compared, ComparedDevice, ComparedIteration};
pub use facts::{COMPARISON_SCHEMA, ComparisonFacts, ContenderFacts, DeviceCallsFacts};
pub use markdown::comparison_markdown;
pub use page::comparison_page;
pub use text::comparison_text;

use crate::json::{Inputs, lines};

/// The facts as JSON of the schema [`COMPARISON_SCHEMA`]; several devices or recordings in a list.
pub fn comparison_json(
    comparisons: &[ComparisonFacts],
    inputs: Inputs,
) -> Result<String, serde_json::Error> {
    lines(COMPARISON_SCHEMA, comparisons, inputs)
}
