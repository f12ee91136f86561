//! The change of settings that a replay recommends, in short.

use serde::Serialize;

/// The change of settings that a replay recommends; `gapless advise` tells all about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrescribedFacts {
    /// The line to paste.
    pub line: String,
    /// The settings it stands for.
    pub settings: String,
    /// What it brings: `fit` or `save`.
    pub goal: &'static str,
    /// The same in a sentence.
    pub summary: String,
    /// What would be reserved at most.
    pub peak_reserved_bytes: u64,
    /// What of the card would be left, where the card is known.
    pub headroom_bytes: Option<u64>,
    /// What would be reserved less at most, where the program gets through now.
    pub saved_bytes: Option<i64>,
    /// The share of the recording's events that its own replay gave back, from 0 to 1; null where
    /// that could not be checked.
    pub fidelity: Option<f64>,
}
