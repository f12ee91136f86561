//! The iterations of a program: the stretch of events it repeats.
//!
//! Most findings over time compare one iteration with the next, so the iterations are found first:
//! by what the program marked (an optimizer's step, a profiler's step), or else by what repeats.
//!
//! ```text
//!   building │ iteration 0 │ iteration 1 │ iteration 2 │ rest
//!            starts[0]     starts[1]     starts[2]     starts[3]
//! ```
//!
//! The boundary may lie anywhere in the program's loop, as long as it is always the same place.
//! What comes before the first and after the last boundary belongs to no iteration.

mod iteration;
mod marked;
mod repeated;

use gapless_trace::{Instant, Stacks, Trace};

pub use iteration::Iteration;

/// The fewest whole iterations worth comparing.
const FEWEST: usize = 2;

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
    /// What memory did in each iteration, in order.
    pub each: Vec<Iteration>,
}

impl Iterations {
    /// Finds the iterations of a trace, where it has at least two whole ones.
    pub fn find(trace: &Trace, stacks: &Stacks) -> Option<Self> {
        let (starts, source) =
            marked::find(trace, stacks).or_else(|| repeated::find(trace, stacks))?;
        let each = Iteration::measure(trace, &starts);
        Some(Self { starts, source, each })
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

/// The instant right before the event at `index`.
fn before(index: usize) -> Instant {
    index.checked_sub(1).map_or(Instant::START, Instant::after)
}

/// How much the distances between `points` vary: their standard deviation as a share of their
/// mean.
fn variation(points: impl Iterator<Item = usize> + Clone) -> f64 {
    let gaps = points.clone().zip(points.skip(1)).map(|(from, to)| to.saturating_sub(from) as f64);
    let count = gaps.clone().count().max(1) as f64;
    let mean = gaps.clone().sum::<f64>() / count;
    let variance = gaps.map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
    if mean > 0.0 { variance.sqrt() / mean } else { f64::INFINITY }
}
