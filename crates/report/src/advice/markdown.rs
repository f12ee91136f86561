//! Advice for an issue or a pull request.

use std::fmt::Write;

use super::facts::AdviceFacts;
use super::words::{answer, card_row, cost, headline, replacement, shown, tried_head};
use crate::figures::more;
use crate::names::named;
use crate::replay::{EXACT, fidelity_sentence};

/// What is advised, device by device.
pub fn advice_markdown(advice: &[AdviceFacts]) -> String {
    let mut text = String::new();
    for (facts, name) in named(advice, |it| &it.recording.path) {
        for device in &facts.devices {
            let (title, _, sentence) = answer(device);
            let (fidelity, worth) = fidelity_sentence(&facts.recording, device.fidelity.as_ref());
            let worth = format!("**{fidelity}.** {worth}\n\n");
            let (before, behind) = if fidelity == EXACT { ("", &*worth) } else { (&*worth, "") };
            let _ = writeln!(text, "## {title}\n\n{before}{sentence}\n");
            if let Some(found) = &device.prescription {
                let _ = writeln!(text, "```sh\n{}\n```\n", found.line);
                let _ = writeln!(text, "{}\n", cost(device, &found.trial));
                for note in &found.notes {
                    let _ = writeln!(text, "- {}", note.text);
                }
                text.push('\n');
            }
            let _ = write!(text, "{behind}");
            let _ = writeln!(text, "On: {}\n", headline(name, device).join(" · "));
            let (rows, left) = shown(device);
            let _ = writeln!(text, "| {} |", tried_head(device).join(" | "));
            let _ = writeln!(text, "| --- | --- | ---: | ---: | ---: | ---: |");
            for row in rows {
                let _ = writeln!(text, "| {} |", row.join(" | "));
            }
            if 0 < left {
                let _ = writeln!(text, "\n{}.", more(left, "setting"));
            }
            let _ = writeln!(text, "\n| smallest card | memory | waste | such as |");
            let _ = writeln!(text, "| --- | ---: | ---: | --- |");
            for card in &device.cards {
                let _ = writeln!(text, "| {} |", card_row(device, card, usize::MAX).join(" | "));
            }
            if let Some((heading, sentence)) = replacement(device) {
                let _ = writeln!(text, "\n### {heading}\n\n{sentence}");
            }
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
