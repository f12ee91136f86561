//! A replay as a page: the answer, and both runs in one picture.

use gapless_units::Bytes;

use super::facts::ReplayFacts;
use super::replayed::Replayed;
use super::words::{answer, comparison, headline, worth};
use crate::curves::{Curve, picture};
use crate::figures::percent_of;
use crate::sheet::{Sheet, escaped};
use crate::words::{cause, file_name};

/// The page of a replay and its facts.
pub fn replay_page(replayed: &Replayed, facts: &ReplayFacts) -> String {
    let mut sheet =
        Sheet::new(&format!("{} · replayed · gapless", file_name(&facts.recording.path)));
    for (run, told) in replayed.runs.iter().zip(&facts.runs) {
        let (title, _, sentence) = answer(told);
        sheet.title(title);
        sheet.aside(&headline(&file_name(&facts.recording.path), told).join(" · "));
        sheet.paragraph(&sentence);
        let (title, sentence) = worth(facts, told);
        sheet.paragraph(&format!("{title}: {sentence}"));
        sheet.heading("Reserved memory");
        let recorded = &replayed.recorded.devices[run.place].trace;
        let mut curves = Vec::new();
        if recorded.is_placed() {
            curves.push(Curve::reserved("reserved, recorded", "recorded", recorded));
        }
        curves.push(Curve::active("in use, replayed", "live", &run.life.trace));
        curves.push(Curve::reserved("reserved, replayed", "replayed", &run.life.trace));
        let limit = run.setup.capacity.map(|capacity| capacity.saturating_sub(run.setup.outside));
        let name = limit.map(|limit| escaped(&format!("{limit} can be had")));
        sheet.picture(&picture(&curves, limit.zip(name.as_deref())));
        sheet.heading("Recorded and replayed");
        sheet.table(["", "recorded", "replayed"], &comparison(told));
        let whole = Bytes::new(told.ledger.reserved_bytes);
        sheet.heading(&format!("Where the {whole} are"));
        let rows = told.ledger.causes.iter().map(|share| {
            let bytes = Bytes::new(share.bytes);
            [cause(share.cause).to_owned(), bytes.to_string(), percent_of(bytes, whole)]
        });
        sheet.table(["cause", "bytes", "share"], &rows.collect::<Vec<_>>());
    }
    sheet.finish()
}
