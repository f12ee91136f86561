//! A comparison for an issue or a pull request.

use std::fmt::Write;

use super::facts::ComparisonFacts;
use super::words::{CALLS, LONG, answer, call_rows, headline, left_out, legend, long_rows};
use crate::names::named;
use crate::replay::fidelity_sentence;

/// What is said about comparisons, device by device.
pub fn comparison_markdown(comparisons: &[ComparisonFacts]) -> String {
    let mut text = String::new();
    for (facts, name) in named(comparisons, |it| &it.recording.path) {
        let _ = writeln!(text, "## {}\n\n{}\n", headline(name, facts).join(" · "), answer(facts));
        if let Some(left_out) = left_out(facts) {
            let _ = writeln!(text, "{left_out}\n");
        }
        let (title, sentence) = fidelity_sentence(&facts.recording, facts.fidelity.as_ref());
        let _ = writeln!(text, "**{title}.** {sentence}\n");
        table(&mut text, LONG, long_rows(facts));
        table(&mut text, CALLS, call_rows(facts));
        let _ = writeln!(text, "{}\n", legend(facts).replace('*', "\\*"));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A table whose first column are names.
fn table<const COLUMNS: usize>(
    text: &mut String,
    heads: [&str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
) {
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(COLUMNS - 1));
    for row in rows {
        let cells = row.map(|cell| cell.trim().replace('*', "\\*"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}
