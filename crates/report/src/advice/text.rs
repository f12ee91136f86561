//! Advice as a screen for people: the answer, the line to paste, why, and what else was tried.

use super::facts::{AdviceFacts, DeviceAdviceFacts};
use super::words::{answer, card_row, cost, headline, replacement, shown, tried_head};
use crate::figures::more;
use crate::names::named;
use crate::replay::{EXACT, fidelity_sentence};
use crate::text::Look;
use crate::text::ink::{ALARM, ASIDE, CALM, DOUBT, HEADING, ink};
use crate::text::paper::Paper;
use crate::text::table::{Side, table};
use crate::text::wrap::join;

/// What is advised, device by device.
pub fn advice_text(advice: &[AdviceFacts], look: &Look) -> String {
    let mut paper = Paper::new(look.width);
    for (facts, name) in named(advice, |it| &it.recording.path) {
        for device in &facts.devices {
            paper.gap();
            told(&mut paper, name, facts, device);
        }
    }
    paper.into_text()
}

fn told(paper: &mut Paper, name: &str, facts: &AdviceFacts, device: &DeviceAdviceFacts) {
    for line in join(&headline(name, device), paper.width()) {
        paper.line(&ink(ASIDE, &line));
    }
    paper.gap();
    // What nothing vouches for is said to be so before it is said.
    let (fidelity, sentence) = fidelity_sentence(&facts.recording, device.fidelity.as_ref());
    let is_exact = fidelity == EXACT;
    if !is_exact {
        paper.marked(DOUBT, &format!("{fidelity}."), &sentence);
        paper.gap();
    }
    let (title, good, text) = answer(device);
    paper.marked(if good { CALM } else { ALARM }, &format!("{title}."), &text);
    if let Some(found) = &device.prescription {
        paper.gap();
        paper.line(&format!("    {}", ink(HEADING, &found.line)));
        paper.gap();
        paper.sentence(0, &cost(device, &found.trial));
        if !found.notes.is_empty() {
            paper.heading("Before you change it");
            for note in &found.notes {
                paper.item(2, "-", &note.text);
            }
        }
    }
    if is_exact {
        paper.gap();
        paper.marked(CALM, &format!("{fidelity}."), &sentence);
    }
    tried(paper, device);
    cards(paper, device);
    if let Some((heading, sentence)) = replacement(device) {
        paper.heading(heading);
        paper.sentence(2, &sentence);
    }
}

fn tried(paper: &mut Paper, device: &DeviceAdviceFacts) {
    let (rows, left) = shown(device);
    paper.gap();
    let head = tried_head(device).map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let right = Side::Right;
    let sides = [Side::Left, right, right, right, right, right];
    for (index, line) in table(&rows, sides, paper.width()).iter().enumerate() {
        paper.line(&if index == 0 { ink(HEADING, line) } else { line.clone() });
    }
    if 0 < left {
        paper.line(&ink(ASIDE, &format!("{}; --format json has them all", more(left, "setting"))));
    }
}

fn cards(paper: &mut Paper, device: &DeviceAdviceFacts) {
    if device.cards.is_empty() {
        return;
    }
    paper.gap();
    let head = ["smallest card", "memory", "waste", "such as"].map(str::to_owned);
    // With more names of cards those of settings would be cut.
    let rows = device.cards.iter().map(|card| card_row(device, card, 2));
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let sides = [Side::Left, Side::Right, Side::Right, Side::Left];
    for (index, line) in table(&rows, sides, paper.width()).iter().enumerate() {
        paper.line(&if index == 0 { ink(HEADING, line) } else { line.clone() });
    }
}
