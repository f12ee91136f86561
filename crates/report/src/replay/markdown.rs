//! A replay for an issue or a pull request.

use std::fmt::Write;

use gapless_units::Bytes;

use super::facts::ReplayFacts;
use super::words::{answer, comparison, headline, worth};
use crate::figures::percent_of;
use crate::names::named;
use crate::words::cause;

/// What is said about replays, run by run.
pub fn replay_markdown(replays: &[ReplayFacts]) -> String {
    let mut text = String::new();
    for (facts, name) in named(replays, |it| &it.recording.path) {
        for run in &facts.runs {
            let (title, _, sentence) = answer(run);
            let _ = writeln!(text, "## {title}\n\n{sentence}\n");
            let _ = writeln!(text, "Replayed: {}\n", headline(name, run).join(" · "));
            let (title, sentence) = worth(facts, run);
            let _ = writeln!(text, "**{title}.** {sentence}\n");
            let _ = writeln!(text, "| | recorded | replayed |\n| --- | ---: | ---: |");
            for [name, recorded, replayed] in comparison(run) {
                let _ = writeln!(text, "| {name} | {recorded} | {replayed} |");
            }
            let reserved = Bytes::new(run.ledger.reserved_bytes);
            let _ = writeln!(text, "\n| reserved | {reserved} | |\n| --- | ---: | ---: |");
            for share in &run.ledger.causes {
                let bytes = Bytes::new(share.bytes);
                let name = cause(share.cause);
                let _ = writeln!(text, "| {name} | {bytes} | {} |", percent_of(bytes, reserved));
            }
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
