//! The iterations of a program: the stretch of events it repeats.

use gapless_trace::{Instant, Stacks, Trace};

/// How the iterations were recognized.
#[derive(Clone, Debug, PartialEq)]
pub enum IterationSource {
    /// The program marked a range of this name once in each.
    Annotation(String),
    /// The same allocations come again after the same number of allocations.
    Repetition {
        /// The share of allocations that repeat one period earlier, from 0 to 1.
        agreement: f64,
    },
}

/// Where each iteration of a recording begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Iterations {
    /// The instants between iterations, ascending, at least three: iteration `i` is
    /// `[starts[i], starts[i + 1])`.
    pub starts: Vec<Instant>,
    /// How they were recognized.
    pub source: IterationSource,
}

impl Iterations {
    /// Finds the iterations of a trace, where it has at least two whole ones.
    pub fn find(_trace: &Trace, _stacks: &Stacks) -> Option<Self> {
        None
    }

    /// How many whole iterations there are.
    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The first and the last instant of each iteration, half-open, in order.
    pub fn spans(&self) -> impl ExactSizeIterator<Item = (Instant, Instant)> {
        self.starts.windows(2).map(|pair| (pair[0], pair[1]))
    }
}
