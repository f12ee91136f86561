//! Text for people: the verdict first, then what proves it, then what to do.
//!
//! One screen answers what happened; what else is known comes when asked for. Lines are no wider
//! than the terminal and tables align in 80 columns. Emphasis is in escape sequences, which the
//! program takes out where nobody can see them.

pub(crate) mod bar;
pub(crate) mod ink;
pub(crate) mod table;
pub(crate) mod wrap;

pub(crate) mod paper;

pub(crate) mod ledger;
mod screen;

mod details;

use crate::facts::Facts;
use crate::figures::{percent, percent_of};
use crate::survey::{SurveyRow, survey};
use crate::words::clean;

use gapless_units::Bytes;
use ink::{ASIDE, HEADING};
use paper::Paper;
use table::{Side, table};

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The width of a line.
    pub width: usize,
    /// Whether everything is told, not only the first screen.
    pub verbose: bool,
    /// Whether it ends with what the command line has besides.
    pub hints: bool,
}

/// What is said about `recordings`: in full where they tell of one device, else a line for each
/// device, and the one that is farthest from the others in full.
pub fn text(recordings: &[Facts], look: &Look) -> String {
    let mut paper = Paper::new(look.width);
    let rows = survey(recordings);
    let Some(worst) = rows.first() else { return String::new() };
    if 1 < rows.len() {
        overview(&mut paper, &rows);
        paper.gap();
        let path = clean(&worst.facts.recording.path);
        paper.line(&ink::ink(HEADING, &format!("{path}, in full")));
        paper.gap();
    }
    screen::screen(&mut paper, worst.facts, worst.device, look);
    if look.verbose {
        details::details(&mut paper, worst.facts, worst.device);
    }
    paper.into_text()
}

/// A line for each device.
fn overview(paper: &mut Paper, rows: &[SurveyRow<'_>]) {
    let heads = ["recording", "device", "verdict", "peak reserved", "in use", "pinned now"];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let peak = &row.device.peak;
        let (active, reserved) = (Bytes::new(peak.active_bytes), Bytes::new(peak.reserved_bytes));
        let verdict = if row.device.consistent { row.device.verdict.title } else { "inconsistent" };
        [
            clean(row.name),
            row.device.device.to_string(),
            verdict.to_owned(),
            reserved.to_string(),
            percent_of(active, reserved),
            percent(row.pinned_share()),
        ]
    }));
    let sides = [Side::Left, Side::Right, Side::Left, Side::Right, Side::Right, Side::Right];
    let lines = table(&lines, sides, paper.width());
    for (index, line) in lines.iter().enumerate() {
        paper.line(&if index == 0 { ink::ink(ASIDE, line) } else { line.clone() });
    }
}
