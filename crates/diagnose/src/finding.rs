//! A stated cause of waste, with what proves it and what to change.

use gapless_trace::StackId;
use gapless_units::Bytes;

/// How a finding relates to the others of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It makes others: what to change first.
    Cause,
    /// It follows from others, and shows what they cost.
    Symptom,
    /// It is good to know and nothing is wrong.
    Remark,
}

/// Something wrong, or worth knowing, in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable name of the kind of finding, such as `leak`.
    pub code: &'static str,
    /// What is wrong in a few words.
    pub title: String,
    /// Its weight: the bytes it costs, at the instant in question or at the peak.
    pub bytes: Bytes,
    /// The cause in a sentence or two, with its numbers.
    pub summary: String,
    /// What proves it, the heaviest first.
    pub evidence: Vec<Evidence>,
    /// What to change, the most useful first; also what would not help where people try it.
    pub advice: Vec<String>,
}

/// One thing that proves a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What it is, in a few words with its numbers.
    pub what: String,
    /// The bytes it stands for.
    pub bytes: Bytes,
    /// How many blocks or events it stands for.
    pub count: usize,
    /// Where in the program, where that is known.
    pub stack: StackId,
}
