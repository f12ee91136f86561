//! JSON, of the schema [`SCHEMA`].

use serde::Serialize;

use crate::facts::{Facts, SCHEMA};

/// Several recordings, each as it would be told alone.
#[derive(Serialize)]
struct Several<'a, T> {
    schema: &'static str,
    recordings: &'a [T],
}

/// How many files were asked about, whatever became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// One: its recording stands for itself.
    One,
    /// Several: there is a list, also where only one could be read.
    Several,
}

impl Inputs {
    /// For so many files.
    pub fn of(count: usize) -> Self {
        if count == 1 { Self::One } else { Self::Several }
    }
}

/// The facts as one line per value.
pub fn json(recordings: &[Facts], inputs: Inputs) -> Result<String, serde_json::Error> {
    lines(SCHEMA, recordings, inputs)
}

/// Facts of any schema, told alike.
pub(crate) fn lines<T: Serialize>(
    schema: &'static str,
    recordings: &[T],
    inputs: Inputs,
) -> Result<String, serde_json::Error> {
    let mut text = match recordings {
        [facts] if inputs == Inputs::One => serde_json::to_string_pretty(facts)?,
        recordings => serde_json::to_string_pretty(&Several { schema, recordings })?,
    };
    text.push('\n');
    Ok(text)
}
