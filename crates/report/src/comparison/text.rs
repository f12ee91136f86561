//! A comparison as a screen for people: who needs least, and the table.

use super::facts::ComparisonFacts;
use super::words::{
    CALLS, COST, MEMORY, answer, call_rows, cost_rows, headline, left_out, legend, memory_rows,
};
use crate::names::named;
use crate::replay::{EXACT, fidelity_sentence};
use crate::text::Look;
use crate::text::ink::{ASIDE, CALM, DOUBT, ink};
use crate::text::paper::Paper;
use crate::text::table::{Side, table};
use crate::text::wrap::join;

/// What is said about comparisons, device by device.
pub fn comparison_text(comparisons: &[ComparisonFacts], look: &Look) -> String {
    let mut paper = Paper::new(look.width);
    for (facts, name) in named(comparisons, |it| &it.recording.path) {
        paper.gap();
        for line in join(&headline(name, facts), paper.width()) {
            paper.line(&ink(ASIDE, &line));
        }
        paper.gap();
        let (title, text) = fidelity_sentence(&facts.recording, facts.fidelity.as_ref());
        let style = if title == EXACT { CALM } else { DOUBT };
        paper.marked(style, &format!("{title}."), &text);
        paper.gap();
        paper.sentence(0, &answer(facts));
        if let Some(left_out) = left_out(facts) {
            paper.sentence(0, &left_out);
        }
        paper.gap();
        draw(&mut paper, MEMORY, memory_rows(facts));
        draw(&mut paper, COST, cost_rows(facts));
        draw(&mut paper, CALLS, call_rows(facts));
        paper.sentence(0, &legend(facts));
    }
    paper.into_text()
}

/// A table whose first column are names.
fn draw<const COLUMNS: usize>(
    paper: &mut Paper,
    heads: [&str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
) {
    let mut all = vec![heads.map(str::to_owned)];
    all.extend(rows);
    let mut sides = [Side::Right; COLUMNS];
    sides[0] = Side::Left;
    for (index, line) in table(&all, sides, paper.width()).iter().enumerate() {
        paper.line(&if index == 0 { ink(ASIDE, line) } else { line.clone() });
    }
    paper.gap();
}
