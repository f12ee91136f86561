//! JSON, of the schema [`SCHEMA`].

use serde::Serialize;

use crate::facts::{Facts, SCHEMA};

/// Several recordings, each as it would be told alone.
#[derive(Serialize)]
struct Several<'a, T> {
    schema: &'static str,
    recordings: &'a [T],
}

/// The facts as one line per value; one recording stands for itself, several in a list.
pub fn json(recordings: &[Facts]) -> Result<String, serde_json::Error> {
    lines(SCHEMA, recordings)
}

/// Facts of any schema, told alike.
pub(crate) fn lines<T: Serialize>(
    schema: &'static str,
    recordings: &[T],
) -> Result<String, serde_json::Error> {
    let mut text = match recordings {
        [facts] => serde_json::to_string_pretty(facts)?,
        recordings => serde_json::to_string_pretty(&Several { schema, recordings })?,
    };
    text.push('\n');
    Ok(text)
}
