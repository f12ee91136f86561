//! The iterations of a program, in numbers.

use gapless_diagnose::{IterationSource, Iterations};
use serde::Serialize;

use super::totals::TotalsFacts;

/// The iterations of a program.
#[derive(Clone, Debug, Serialize)]
pub struct IterationsFacts {
    /// How many whole ones.
    pub count: usize,
    /// How they were recognized.
    pub source: SourceFacts,
    /// How many events came before each boundary, one more than there are iterations.
    pub starts: Vec<usize>,
    /// The largest of each total in each iteration.
    pub peaks: Vec<TotalsFacts>,
}

/// How iterations were recognized.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceFacts {
    /// By a range the program marked.
    Annotation {
        /// Its name.
        name: String,
    },
    /// By what repeats.
    Repetition {
        /// The share of allocations that repeat.
        agreement: f64,
    },
}

impl IterationsFacts {
    pub(super) fn of(iterations: &Iterations) -> Self {
        let source = match &iterations.source {
            IterationSource::Annotation(name) => SourceFacts::Annotation { name: name.clone() },
            IterationSource::Repetition { agreement } => {
                SourceFacts::Repetition { agreement: (agreement * 1e6).round() / 1e6 }
            }
        };
        Self {
            count: iterations.count(),
            source,
            starts: iterations.starts.iter().map(|instant| instant.events()).collect(),
            peaks: iterations.each.iter().map(|iteration| iteration.peak.into()).collect(),
        }
    }
}
