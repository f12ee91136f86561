//! A comparison for an issue or a pull request.

use std::fmt::Write;

use super::facts::ComparisonFacts;
use super::words::{LONG, answer, headline, legend, long_rows};
use crate::replay::fidelity_sentence;

/// What is said about comparisons, device by device.
pub fn comparison_markdown(comparisons: &[ComparisonFacts]) -> String {
    let mut text = String::new();
    for facts in comparisons {
        let _ = writeln!(text, "## {}\n\n{}\n", headline(facts).join(" · "), answer(facts));
        let (title, sentence) = fidelity_sentence(&facts.recording, facts.fidelity.as_ref());
        let _ = writeln!(text, "**{title}.** {sentence}\n");
        let _ = writeln!(text, "| {} |", LONG.join(" | "));
        let _ = writeln!(text, "| --- |{}", " ---: |".repeat(LONG.len() - 1));
        for row in long_rows(facts) {
            let cells = row.map(|cell| cell.trim().replace('*', "\\*"));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        let _ = writeln!(text, "\n{}\n", legend(facts).replace('*', "\\*"));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
