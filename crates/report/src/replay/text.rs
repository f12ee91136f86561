//! A replay as a screen for people: the worth of the prediction, the answer, what proves it.

use super::facts::ReplayFacts;
use super::words::{EXACT, answer, comparison, headline, worth};
use crate::names::named;
use crate::text::Look;
use crate::text::ink::{ALARM, ASIDE, CALM, DOUBT, ink};
use crate::text::ledger::ledger;
use crate::text::paper::Paper;
use crate::text::table::{Side, table};
use crate::text::wrap::join;

/// What is said about replays, run by run.
pub fn replay_text(replays: &[ReplayFacts], look: &Look) -> String {
    let mut paper = Paper::new(look.width);
    for (facts, name) in named(replays, |it| &it.recording.path) {
        for run in &facts.runs {
            paper.gap();
            for line in join(&headline(name, run), paper.width()) {
                paper.line(&ink(ASIDE, &line));
            }
            paper.gap();
            let (title, text) = worth(facts, run);
            let style = if title == EXACT { CALM } else { DOUBT };
            paper.marked(style, &format!("{title}."), &text);
            paper.gap();
            let (title, good, text) = answer(run);
            paper.marked(if good { CALM } else { ALARM }, &format!("{title}."), &text);
            paper.gap();
            compare(&mut paper, &comparison(run));
            if run.fidelity.is_none() || run.completed || run.verdict.is_some() {
                ledger(&mut paper, &run.explained);
            }
        }
    }
    paper.into_text()
}

/// The recorded run beside the replayed one; one column where nothing is known of the recorded.
fn compare(paper: &mut Paper, rows: &[[String; 3]]) {
    let head = ["", "recorded", "replayed"].map(str::to_owned);
    let rows: Vec<[String; 3]> = std::iter::once(head).chain(rows.iter().cloned()).collect();
    let lines = if rows[1..].iter().all(|row| row[1].is_empty()) {
        let rows: Vec<[String; 2]> =
            rows.into_iter().map(|[name, _, value]| [name, value]).collect();
        table(&rows, [Side::Left, Side::Right], paper.width())
    } else {
        table(&rows, [Side::Left, Side::Right, Side::Right], paper.width())
    };
    for (index, line) in lines.iter().enumerate() {
        paper.line(&if index == 0 { ink(ASIDE, line) } else { line.clone() });
    }
}
