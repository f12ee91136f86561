//! What a rule says where it is broken.

use std::fmt;

/// One breach of one rule: where it is, and what is wrong in plain words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    place: String,
    reason: String,
}

impl Complaint {
    /// A complaint about a whole file or folder.
    pub fn about(place: &str, reason: impl Into<String>) -> Self {
        Self { place: place.to_owned(), reason: reason.into() }
    }

    /// A complaint about a line of a file; lines count from 1.
    pub fn at_line(file: &str, line: usize, reason: impl Into<String>) -> Self {
        Self { place: format!("{file}:{line}"), reason: reason.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.reason)
    }
}
