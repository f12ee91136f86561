//! What a file says, quoted in a note or a label: never longer than a line.

use crate::document::{Document, Value, View};

/// The first `most` characters of a text.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value as text: a scalar is written out, as far as `most` characters go, a container is named.
pub(super) fn written_out(document: &Document, value: Value, most: usize) -> String {
    match document.view(value) {
        View::Text(text) => excerpt(text, most),
        View::Int(number) => number.to_string(),
        View::Bool(flag) => flag.to_string(),
        View::Float(number) => number.to_string(),
        other @ (View::None | View::List | View::Tuple | View::Dict | View::Opaque) => {
            other.kind().to_owned()
        }
    }
}

/// A value as a note quotes it: texts stand in quotes, so that they can be told and hidden.
pub(super) fn quoted(document: &Document, value: Value) -> String {
    match document.view(value) {
        View::Text(text) => format!("{:?}", excerpt(text, 40)),
        View::None
        | View::Bool(_)
        | View::Int(_)
        | View::Float(_)
        | View::List
        | View::Tuple
        | View::Dict
        | View::Opaque => written_out(document, value, 40),
    }
}
