//! Markdown, for an issue or a pull request: what text says, the rest folded away.
//!
//! Texts of a recording are hostile here too: [`escaped`] keeps them from becoming markup, so that
//! neither a file's name nor a label can break a table or pull in a picture.

use std::fmt::Write as _;

use gapless_diagnose::Cause;
use gapless_units::Bytes;

use crate::facts::{DeviceFacts, Facts, FindingFacts, LedgerFacts, Place, TotalsFacts};
use crate::figures::{counted, grouped, percent, percent_of};
use crate::survey::{SurveyRow, survey};
use crate::words::{
    about_cause, cause, clean, file_name, frame, headline, moment, obstacle, prescription, ransom,
    request, site, telling, weight,
};

/// The most rows of blame that are not folded away.
const MOST_SITES: usize = 5;
/// The most rows of blame with stacks.
const MOST_STACKS: usize = 5;
/// The most frames of a stack.
const MOST_FRAMES: usize = 25;

/// What is said about `recordings`, in Markdown as GitHub shows it.
pub fn markdown(recordings: &[Facts]) -> String {
    let rows = survey(recordings);
    let Some(worst) = rows.first() else { return String::new() };
    let mut page = String::new();
    if 1 < rows.len() {
        overview(&mut page, &rows);
    }
    device(&mut page, worst.facts, worst.device);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// A text that stays text, whatever the recording brings into it: no markup, no cell borders, no
/// mentions, no links. What stands between backquotes is code and stays as it is.
fn escaped(text: &str) -> String {
    let text = clean(text);
    let parts: Vec<&str> = text.split('`').collect();
    let mut escaped = String::with_capacity(text.len());
    for (index, part) in parts.iter().enumerate() {
        let closed = index + 1 < parts.len();
        match (index % 2, closed) {
            (1, true) => escaped.push_str(&code(part)),
            (1, false) => {
                escaped.push_str("\\`");
                escape(part, &mut escaped);
            }
            _ => escape(part, &mut escaped),
        }
    }
    escaped
}

fn escape(text: &str, escaped: &mut String) {
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '@' => escaped.push_str("&#64;"),
            '|' | '*' | '_' | '[' | ']' | '\\' | '~' | '#' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
}

/// A text of the recording as code, without what would end it.
fn code(text: &str) -> String {
    format!("`{}`", clean(text).replace('`', "'").replace('|', "¦"))
}

fn row(page: &mut String, cells: &[String]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// A table's heads; `-:` stands for a column of numbers.
fn heads(page: &mut String, heads: &[(&str, &str)]) {
    let (names, rules): (Vec<_>, Vec<_>) =
        heads.iter().map(|(name, rule)| ((*name).to_owned(), (*rule).to_owned())).unzip();
    page.push('\n');
    row(page, &names);
    row(page, &rules);
}

fn folded(page: &mut String, summary: &str, content: impl FnOnce(&mut String)) {
    let _ = writeln!(page, "\n<details><summary>{summary}</summary>\n");
    content(page);
    let _ = writeln!(page, "\n</details>");
}

fn overview(page: &mut String, rows: &[SurveyRow<'_>]) {
    let _ = writeln!(page, "## {}", counted(rows.len(), "device"));
    let names = [
        ("recording", "---"),
        ("device", "-:"),
        ("verdict", "---"),
        ("peak reserved", "-:"),
        ("in use at most", "-:"),
        ("pinned now", "-:"),
    ];
    heads(page, &names);
    for line in rows {
        let peak = &line.device.peak;
        let reserved = Bytes::new(peak.reserved_bytes);
        let consistent = line.device.consistent;
        let verdict = if consistent { line.device.verdict.title } else { "inconsistent" };
        let cells = [
            code(line.name),
            line.device.device.to_string(),
            verdict.to_owned(),
            reserved.to_string(),
            percent_of(Bytes::new(peak.active_bytes), reserved),
            percent(line.pinned_share()),
        ];
        row(page, &cells);
    }
    page.push('\n');
}

fn device(page: &mut String, facts: &Facts, device: &DeviceFacts) {
    let verdict = &device.verdict;
    let title = if device.consistent { verdict.title } else { "inconsistent" };
    let _ = writeln!(page, "## GPU memory: {title}\n");
    let pieces: Vec<String> = headline(facts, device).iter().map(|piece| escaped(piece)).collect();
    let _ =
        writeln!(page, "{} · {}\n", code(&file_name(&facts.recording.path)), pieces.join(" · "));
    for note in facts.recording.notes.iter().filter(|note| note.weight == "contradiction") {
        let _ = writeln!(page, "> **Inconsistent:** {}\n", escaped(&note.text));
    }
    let _ = writeln!(page, "{}", escaped(&verdict.summary));
    ledger(page, &device.ledger);
    if device.consistent {
        free(page, device);
        holders(page, device);
        if let Some(told) = &device.ransom {
            let _ = writeln!(page, "\n**Ransom:** {}", escaped(&ransom(told, device)));
        }
        if let Some(told) = prescription(device) {
            let _ = writeln!(page, "\n{}", escaped(&told));
        }
    }
    findings(page, &device.findings);
    rest(page, facts, device);
    let _ = writeln!(page, "\n<sub>told by `gapless explain --format markdown`</sub>");
}

fn ledger(page: &mut String, ledger: &LedgerFacts) {
    let whole = Bytes::new(ledger.reserved_bytes);
    let title = format!("{whole} reserved {}", moment(ledger));
    heads(page, &[(&title, "---"), ("bytes", "-:"), ("share", "-:"), ("", "---")]);
    for share in &ledger.causes {
        let bytes = Bytes::new(share.bytes);
        let about = about_cause(share.cause, bytes, ledger);
        let cells =
            [cause(share.cause).to_owned(), bytes.to_string(), percent_of(bytes, whole), about];
        row(page, &cells);
    }
}

fn free(page: &mut String, device: &DeviceFacts) {
    let whole = device.ledger.free_bytes();
    let Some(asked) = device.request.as_ref().filter(|_| !whole.is_zero()) else { return };
    let title = format!("{whole} free, for {}", request(asked));
    heads(page, &[(&title, "---"), ("bytes", "-:"), ("gaps", "-:"), ("largest", "-:")]);
    for share in &device.ledger.free {
        let (bytes, largest) = (Bytes::new(share.bytes), Bytes::new(share.largest_bytes));
        let name = obstacle(share.obstacle).to_owned();
        row(page, &[name, bytes.to_string(), grouped(share.gaps), largest.to_string()]);
    }
}

fn holders(page: &mut String, device: &DeviceFacts) {
    if device.blame.is_empty() {
        return;
    }
    let names =
        [("what holds the gaps", "---"), ("gaps held", "-:"), ("blocks", "-:"), ("live", "-:")];
    heads(page, &names);
    for line in device.blame.iter().take(MOST_SITES) {
        let (pins, live) = (Bytes::new(line.pins_bytes), Bytes::new(line.live_bytes));
        let place = code(&site(line.site.as_ref()));
        row(page, &[place, pins.to_string(), grouped(line.blocks), live.to_string()]);
    }
}

fn findings(page: &mut String, findings: &[FindingFacts]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n### What to change");
    for finding in findings {
        let title = escaped(&finding.title);
        let _ = writeln!(page, "\n**{title}** (`{}`, {})\n", finding.code, weight(finding));
        let _ = writeln!(page, "{}\n", escaped(&finding.summary));
        for advice in &finding.advice {
            let _ = writeln!(page, "- {}", escaped(advice));
        }
        if !finding.evidence.is_empty() {
            folded(page, "evidence", |page| {
                for evidence in &finding.evidence {
                    let place = match &evidence.site {
                        Some(place) => format!(" ({})", code(&site(Some(place)))),
                        None => String::new(),
                    };
                    let _ = writeln!(page, "- {}{place}", escaped(&evidence.what));
                }
            });
        }
    }
}

/// Everything that is folded away.
fn rest(page: &mut String, facts: &Facts, device: &DeviceFacts) {
    folded(page, "curves and pools", |page| {
        curves(page, device);
        pools(page, device);
    });
    if !device.blame.is_empty() {
        folded(page, "stacks that hold the gaps", |page| {
            for line in device.blame.iter().take(MOST_STACKS) {
                let (pins, blocks) = (Bytes::new(line.pins_bytes), counted(line.blocks, "block"));
                let _ = writeln!(page, "{pins} by {blocks}, {}\n", Bytes::new(line.live_bytes));
                stack(page, &line.stack);
            }
        });
    }
    if let Some(failure) = device.failure.as_ref().filter(|failure| !failure.stack.is_empty()) {
        folded(page, "stack of the request that failed", |page| stack(page, &failure.stack));
    }
    if !facts.recording.notes.is_empty() {
        folded(page, "notes on the recording", |page| {
            for note in &facts.recording.notes {
                let _ = writeln!(page, "- {} (`{}`)", escaped(&note.text), note.code);
            }
        });
    }
}

fn curves(page: &mut String, device: &DeviceFacts) {
    type Curve = (&'static str, fn(&TotalsFacts) -> u64);
    let curves: [Curve; 4] = [
        ("requested", |totals| totals.requested_bytes),
        ("allocated", |totals| totals.allocated_bytes),
        ("active", |totals| totals.active_bytes),
        ("reserved", |totals| totals.reserved_bytes),
    ];
    heads(page, &[("curve", "---"), ("start", "-:"), ("peak", "-:"), ("end", "-:")]);
    for (name, of) in curves {
        let all = [&device.start, &device.peak, &device.end.totals];
        let mut cells = vec![name.to_owned()];
        cells.extend(all.map(|totals| Bytes::new(of(totals)).to_string()));
        row(page, &cells);
    }
}

fn pools(page: &mut String, device: &DeviceFacts) {
    let names = [
        ("pool", "---"),
        ("stream", "-:"),
        ("segments", "-:"),
        ("reserved", "-:"),
        ("pinned", "-:"),
        ("releasable", "-:"),
    ];
    heads(page, &names);
    for share in &device.ledger.pools {
        let [first, second] = share.pool;
        let cells = [
            format!("({first}, {second}) {}", share.size_pool),
            share.stream.to_string(),
            grouped(share.segments),
            Bytes::new(share.reserved_bytes).to_string(),
            share.bytes(Cause::PinnedGap).to_string(),
            share.bytes(Cause::Releasable).to_string(),
        ];
        row(page, &cells);
    }
}

/// A stack as an indented block, where nothing is markup.
fn stack(page: &mut String, stack: &[Place]) {
    for place in telling(stack).into_iter().take(MOST_FRAMES) {
        let _ = writeln!(page, "    {}", frame(place));
    }
    if stack.is_empty() {
        let _ = writeln!(page, "    (no stack recorded)");
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escaped("<img src=x> a|b **c** ![d](e) @team"),
            "&lt;img src=x&gt; a\\|b \\*\\*c\\*\\* \\!\\[d\\](e) &#64;team"
        );
        assert_eq!(escaped("set `a_b:c` to `d_e"), "set `a_b:c` to \\`d\\_e");
        assert_eq!(code("a`b|c"), "`a'b¦c`");
        assert_eq!(escaped("a\u{1b}[2Jb\nc"), "a?\\[2Jb?c");
    }
}
