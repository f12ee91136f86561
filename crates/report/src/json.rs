//! JSON, of the schema [`SCHEMA`].

use serde::Serialize;

use crate::facts::{Facts, SCHEMA};

/// Several recordings, each as it would be told alone.
#[derive(Serialize)]
struct Several<'a> {
    schema: &'static str,
    recordings: &'a [Facts],
}

/// The facts as one line per value; one recording stands for itself, several in a list.
pub fn json(recordings: &[Facts]) -> Result<String, serde_json::Error> {
    let mut text = match recordings {
        [facts] => serde_json::to_string_pretty(facts)?,
        several => serde_json::to_string_pretty(&Several { schema: SCHEMA, recordings: several })?,
    };
    text.push('\n');
    Ok(text)
}
