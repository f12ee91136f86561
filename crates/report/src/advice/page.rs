//! Advice as a page: the answer, and the recorded and the prescribed run in one picture.

use super::advised::Advised;
use super::facts::AdviceFacts;
use super::words::{answer, card_row, cost, headline, replacement, shown, tried_head};
use crate::curves::{Curve, picture};
use crate::replay::{EXACT, fidelity_sentence};
use crate::sheet::{Sheet, escaped};
use crate::words::file_name;

/// The page of advice and its facts.
pub fn advice_page(advised: &Advised, facts: &AdviceFacts) -> String {
    let mut sheet = Sheet::new(&format!("{} · advice · gapless", file_name(&facts.recording.path)));
    for (device, told) in advised.devices.iter().zip(&facts.devices) {
        let (title, _, sentence) = answer(told);
        sheet.title(&title);
        sheet.aside(&headline(&file_name(&facts.recording.path), told).join(" · "));
        let (fidelity, worth) = fidelity_sentence(&facts.recording, told.fidelity.as_ref());
        let worth = format!("{fidelity}: {worth}");
        if fidelity != EXACT {
            sheet.paragraph(&worth);
        }
        sheet.paragraph(&sentence);
        if let Some(found) = &told.prescription {
            sheet.line_to_paste(&found.line);
            sheet.paragraph(&cost(told, &found.trial));
            sheet.heading("Before you change it");
            for note in &found.notes {
                sheet.paragraph(&note.text);
            }
        }
        if fidelity == EXACT {
            sheet.paragraph(&worth);
        }
        sheet.heading("Reserved memory");
        let recorded = &advised.recorded.devices[device.place].trace;
        let mut curves = Vec::new();
        if recorded.is_placed() {
            curves.push(Curve::reserved("reserved, recorded", "recorded", recorded));
        } else if let Some(now) = &device.now {
            curves.push(Curve::reserved("reserved, now", "recorded", &now.trace));
        }
        if let Some(prescribed) = &device.prescribed {
            curves.push(Curve::active("in use, prescribed", "live", prescribed));
            curves.push(Curve::reserved("reserved, prescribed", "replayed", prescribed));
        }
        let terms = &device.sweep.terms;
        let limit = terms.capacity.map(|capacity| capacity.saturating_sub(terms.outside));
        let name = limit.map(|limit| escaped(&format!("{limit} can be had")));
        sheet.picture(&picture(&curves, limit.zip(name.as_deref())));
        sheet.heading("Tried");
        let (rows, _) = shown(told);
        sheet.table(tried_head(told), &rows);
        sheet.heading("Smallest cards");
        let rows: Vec<_> = told.cards.iter().map(|card| card_row(told, card, usize::MAX)).collect();
        sheet.table(["settings", "memory", "waste", "such as"], &rows);
        if let Some((heading, sentence)) = replacement(told) {
            sheet.heading(heading);
            sheet.paragraph(&sentence);
        }
    }
    sheet.finish()
}
