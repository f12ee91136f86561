//! The first screen: what happened, where every byte is, who holds it, what to do.

use gapless_units::Bytes;

use super::Look;
use super::ink::{ALARM, ASIDE, CALM, DOUBT, HEADING, ink};
use super::ledger::ledger;
use super::paper::Paper;
use super::table::{Side, table};
use super::wrap::{join, wrap};
use crate::facts::{BlameFacts, DeviceFacts, Facts, FindingFacts, NoteFacts, VerdictFacts};
use crate::figures::{counted, more, percent};
use crate::words::{clean, failed, headline, prescription, ransom, site};

/// The most lines of blame on the screen.
const MOST_SITES: usize = 5;
/// The most findings on the screen.
const MOST_FINDINGS: usize = 3;
/// The most lines of one finding's advice on the screen.
const MOST_ADVICE: [usize; MOST_FINDINGS] = [2, 1, 1];
/// The most contradictions on the screen.
const MOST_CONTRADICTIONS: usize = 3;
/// What the weight of a finding takes, with the space behind.
const WEIGHT: usize = 22;
/// Ends what goes on elsewhere.
const CUT: &str = " …";

/// Writes the first screen for one device.
pub(crate) fn screen(paper: &mut Paper, facts: &Facts, device: &DeviceFacts, look: &Look) {
    let verbose = look.verbose;
    contradictions(paper, facts, verbose);
    for line in join(&headline(facts, device), paper.width()) {
        paper.line(&ink(ASIDE, &line));
    }
    paper.gap();
    verdict(paper, device);
    ledger(paper, device);
    if device.consistent {
        holders(paper, &device.blame);
        if let Some(told) = device.ransom.as_ref().filter(|_| failed(device) || verbose) {
            paper.gap();
            paper.sentence(0, &format!("Ransom: {}", ransom(told, device)));
        }
    }
    if let Some(told) = prescription(device) {
        paper.gap();
        paper.sentence(0, &told);
    }
    if !verbose {
        findings(paper, &device.findings);
        besides(paper, facts, device, look.hints);
    }
}

/// Says first of all when a recording cannot be true.
fn contradictions(paper: &mut Paper, facts: &Facts, verbose: bool) {
    let notes = facts.recording.notes.iter();
    let texts: Vec<&str> =
        notes.filter(|n| n.weight == "contradiction").map(|note| note.text.as_str()).collect();
    let shown = if verbose { texts.len() } else { MOST_CONTRADICTIONS };
    for text in texts.iter().take(shown) {
        paper.marked(DOUBT, "INCONSISTENT:", &clean(text));
    }
    if let Some(rest) = texts.len().checked_sub(shown).filter(|&rest| 0 < rest) {
        paper.line(&format!("{}; -v shows them.", more(rest, "contradiction")));
    }
    paper.gap();
}

fn verdict(paper: &mut Paper, device: &DeviceFacts) {
    let VerdictFacts { kind, title, summary, .. } = &device.verdict;
    let style = match *kind {
        "fits" => CALM,
        "cannot_tell" => DOUBT,
        _ => ALARM,
    };
    let summary = if device.consistent {
        clean(summary) + &asked_at(device)
    } else {
        "The recording contradicts itself; what follows is what it says, and cannot all be true."
            .to_owned()
    };
    paper.marked(style, &format!("{}.", title.to_uppercase()), &summary);
}

/// Where the request that failed was made, where that is known.
fn asked_at(device: &DeviceFacts) -> String {
    let request = device.request.as_ref().filter(|_| failed(device));
    match request.and_then(|request| request.site.as_ref()) {
        Some(place) => format!(" Asked for at {}.", site(Some(place))),
        None => String::new(),
    }
}

/// Whose blocks keep the gaps from going back.
fn holders(paper: &mut Paper, blame: &[BlameFacts]) {
    if blame.is_empty() {
        return;
    }
    paper.gap();
    let heads = ["What holds the gaps", "gaps held", "by live blocks"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(blame.iter().take(MOST_SITES).map(|row| {
        let live = Bytes::new(row.live_bytes);
        let blocks = format!("{}, {live}", counted(row.blocks, "block"));
        let label = format!("  {}", site(row.site.as_ref()));
        [label, Bytes::new(row.pins_bytes).to_string(), blocks]
    }));
    if let Some(rest) = blame.get(MOST_SITES..).filter(|rest| !rest.is_empty()) {
        let pins: u64 = rest.iter().map(|row| row.pins_bytes).sum();
        let label = format!("  {}", more(rest.len(), "place"));
        rows.push([label, Bytes::new(pins).to_string(), String::new()]);
    }
    let lines = table(&rows, [Side::Left, Side::Right, Side::Left], paper.width());
    for (index, line) in lines.iter().enumerate() {
        paper.line(&if index == 0 { ink(HEADING, line) } else { line.clone() });
    }
}

fn findings(paper: &mut Paper, findings: &[FindingFacts]) {
    if findings.is_empty() {
        return;
    }
    paper.heading("What to change first");
    for (finding, most) in findings.iter().zip(MOST_ADVICE) {
        let weight = format!(
            "  {:>10}{:>8}  ",
            Bytes::new(finding.bytes).to_string(),
            percent(finding.share_of_peak)
        );
        let title = format!("{} [{}]", clean(&finding.title), finding.code);
        let width = paper.width().saturating_sub(WEIGHT);
        for (index, line) in wrap(&title, width).iter().enumerate() {
            let before = if index == 0 { weight.as_str() } else { "" };
            paper.line(&format!("{before:<WEIGHT$}{line}"));
        }
        let Some(advice) = finding.advice.first() else { continue };
        let lines = wrap(&clean(advice), width.saturating_sub(CUT.len()));
        for (index, line) in lines.iter().take(most).enumerate() {
            let cut = index + 1 == most && most < lines.len();
            let ending = if cut { CUT } else { "" };
            paper.line(&ink(ASIDE, &format!("{:WEIGHT$}{line}{ending}", "")));
        }
    }
}

/// What there is besides this screen.
fn besides(paper: &mut Paper, facts: &Facts, device: &DeviceFacts, hints: bool) {
    paper.gap();
    for note in facts.recording.notes.iter().filter(|note| matters(note, device)) {
        paper.item(0, "Note:", &clean(&note.text));
    }
    if !hints {
        return;
    }
    let findings = match device.findings.len() {
        0..=MOST_FINDINGS => "findings".to_owned(),
        many => format!("all {many} findings"),
    };
    paper.sentence(
        0,
        &format!(
            "-v shows {findings} with evidence, stacks and pools; \
             --format html --output FILE draws the memory."
        ),
    );
}

/// Whether something missing makes a difference to what is on the screen.
fn matters(note: &NoteFacts, device: &DeviceFacts) -> bool {
    let about_other = note.device.is_some_and(|id| id != device.device);
    if note.weight != "missing" || about_other {
        return false;
    }
    match note.code {
        // The verdict says so.
        "no-requests" => device.verdict.kind != "cannot_tell",
        "missing-stacks" => device.blame.iter().take(MOST_SITES).any(|row| row.site.is_none()),
        "unknown-key" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, bytes: u64, advice: &str) -> FindingFacts {
        FindingFacts {
            code,
            title: format!("what {code} is"),
            bytes,
            share_of_peak: 0.1,
            summary: String::new(),
            advice: vec![advice.to_owned()],
            evidence: Vec::new(),
        }
    }

    #[test]
    fn three_findings_stand_with_their_weight_and_two_lines_of_advice() {
        let long = "word ".repeat(40);
        let all = [
            finding("first", 3 << 30, &long),
            finding("second", 2 << 20, "Do this."),
            finding("third", 1 << 20, "Do that."),
            finding("fourth", 1, "Not shown."),
        ];
        let mut paper = Paper::new(60);
        findings(&mut paper, &all);
        let plain: String = paper.into_text().replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
        let expected = "\
What to change first
    3.00 GiB  10.0 %  what first is [first]
                      word word word word word word word
                      word word word word word word word …
     2.0 MiB  10.0 %  what second is [second]
                      Do this.
     1.0 MiB  10.0 %  what third is [third]
                      Do that.
";
        assert_eq!(plain.replace("\u{1b}[0m", ""), expected);
    }
}
