//! Openings: every Rust file says at its top what it is for.

use crate::complaint::Complaint;
use crate::source::Source;

/// Complains of every file that does not open with a `//!` sentence.
pub fn check(files: &[(String, Source)]) -> Vec<Complaint> {
    let silent = files.iter().filter(|(_, source)| !opens(source.text()));
    silent
        .map(|(file, _)| {
            Complaint::about(file, "does not open with `//!` and a sentence on what it is for")
        })
        .collect()
}

fn opens(text: &str) -> bool {
    text.lines().next().is_some_and(|line| {
        line.strip_prefix("//!").is_some_and(|sentence| !sentence.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_a_sentence() {
        assert!(opens("//! Why.\n\nuse a;\n"));
        assert!(!opens("//!\n//! Why.\n"));
        assert!(!opens("use a;\n//! Why.\n"));
        assert!(!opens(""));
    }
}
