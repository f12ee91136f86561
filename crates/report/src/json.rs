//! JSON, of the schema [`SCHEMA`].

use serde::Serialize;

use crate::facts::{Facts, SCHEMA};

/// Several recordings, each as it would be told alone.
#[derive(Serialize)]
struct Several<'a, T> {
    schema: &'static str,
    recordings: &'a [T],
}

/// The facts as one line per value. A recording stands for itself where it was the only one that was
/// asked about; of `several` there is a list, however many of them could be read.
pub fn json(recordings: &[Facts], several: bool) -> Result<String, serde_json::Error> {
    lines(SCHEMA, recordings, several)
}

/// Facts of any schema, told alike.
pub(crate) fn lines<T: Serialize>(
    schema: &'static str,
    recordings: &[T],
    several: bool,
) -> Result<String, serde_json::Error> {
    let mut text = match recordings {
        [facts] if !several => serde_json::to_string_pretty(facts)?,
        recordings => serde_json::to_string_pretty(&Several { schema, recordings })?,
    };
    text.push('\n');
    Ok(text)
}
