//! What `--verbose` adds to the first screen.

use gapless_diagnose::Cause;
use gapless_units::Bytes;

use super::ink::{ASIDE, HEADING, ink};
use super::paper::Paper;
use super::table::{Side, table};
use crate::facts::{
    DeviceFacts, Facts, FindingFacts, IterationsFacts, Place, PoolFacts, SourceFacts, TotalsFacts,
};
use crate::figures::{counted, grouped, more};
use crate::words::{clean, frame, site, telling, weight};

/// The most frames of a stack that are shown.
const MOST_FRAMES: usize = 8;
/// The most rows of blame with their stacks.
const MOST_STACKS: usize = 5;
/// The most pieces of evidence of a finding.
const MOST_EVIDENCE: usize = 8;
/// The most lines of the program that a ransom names.
const MOST_SITES: usize = 10;

/// Writes everything that is not on the first screen.
pub(crate) fn details(paper: &mut Paper, facts: &Facts, device: &DeviceFacts) {
    curves(paper, device);
    if let Some(iterations) = &device.iterations {
        self::iterations(paper, iterations);
    }
    if !device.findings.is_empty() {
        paper.heading("Findings");
    }
    for finding in &device.findings {
        self::finding(paper, finding);
    }
    failure(paper, device);
    blame(paper, device);
    ransom(paper, device);
    pools(paper, &device.ledger.pools);
    notes(paper, facts);
}

fn rows<const N: usize>(paper: &mut Paper, rows: &[[String; N]], sides: [Side; N]) {
    let lines = table(rows, sides, paper.width());
    for (index, line) in lines.iter().enumerate() {
        paper.line(&if index == 0 { ink(HEADING, line) } else { line.clone() });
    }
}

fn curves(paper: &mut Paper, device: &DeviceFacts) {
    type Curve = (&'static str, fn(&TotalsFacts) -> u64, Option<usize>);
    let at = &device.peak_at;
    let curves: [Curve; 4] = [
        ("  requested", |totals| totals.requested_bytes, at.requested_event),
        ("  allocated", |totals| totals.allocated_bytes, at.allocated_event),
        ("  active", |totals| totals.active_bytes, at.active_event),
        ("  reserved", |totals| totals.reserved_bytes, at.reserved_event),
    ];
    let heads = ["Curves", "start", "peak", "after event", "end"];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(curves.map(|(name, of, event)| {
        let bytes = |totals: &TotalsFacts| Bytes::new(of(totals)).to_string();
        let (start, peak, end) = (&device.start, &device.peak, &device.end.totals);
        let event = event.map_or("the start".to_owned(), grouped);
        [name.to_owned(), bytes(start), bytes(peak), event, bytes(end)]
    }));
    paper.gap();
    rows(paper, &lines, [Side::Left, Side::Right, Side::Right, Side::Right, Side::Right]);
}

fn iterations(paper: &mut Paper, iterations: &IterationsFacts) {
    let source = match &iterations.source {
        SourceFacts::Annotation { name } => format!("marked by `{}`", clean(name)),
        SourceFacts::Repetition { agreement } => {
            format!("found by what repeats ({:.0} % of the allocations)", 100.0 * agreement)
        }
    };
    paper.heading(&format!("Iterations: {}, {source}", grouped(iterations.count)));
    let heads = ["  iteration", "from event", "peak active", "peak reserved"];
    let mut lines = vec![heads.map(str::to_owned)];
    for (index, (start, peak)) in iterations.starts.iter().zip(&iterations.peaks).enumerate() {
        let ends = 8 < iterations.count && 4 <= index && index + 4 < iterations.count;
        if ends {
            if index == 4 {
                lines.push(["  …", "", "", ""].map(str::to_owned));
            }
            continue;
        }
        let (active, reserved) = (Bytes::new(peak.active_bytes), Bytes::new(peak.reserved_bytes));
        let name = format!("  {}", grouped(index));
        lines.push([name, grouped(*start), active.to_string(), reserved.to_string()]);
    }
    rows(paper, &lines, [Side::Left, Side::Right, Side::Right, Side::Right]);
}

fn finding(paper: &mut Paper, finding: &FindingFacts) {
    paper.gap();
    paper.line(&format!(
        "  {} [{}]: {}",
        ink(HEADING, &clean(&finding.title)),
        finding.code,
        weight(finding)
    ));
    paper.sentence(2, &clean(&finding.summary));
    for advice in &finding.advice {
        paper.item(4, "->", &clean(advice));
    }
    for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
        let place = match &evidence.site {
            Some(place) => format!(" ({})", site(Some(place))),
            None => String::new(),
        };
        paper.item(4, "-", &format!("{}{place}", clean(&evidence.what)));
    }
    if let Some(rest) = finding.evidence.len().checked_sub(MOST_EVIDENCE).filter(|&r| 0 < r) {
        paper.line(&format!("    and {} more", grouped(rest)));
    }
}

fn failure(paper: &mut Paper, device: &DeviceFacts) {
    let Some(failure) = &device.failure else { return };
    let (requested, free) =
        (Bytes::new(failure.requested_bytes), Bytes::new(failure.device_free_bytes));
    paper.heading("The request that failed");
    paper.line(&format!(
        "  {requested} at event {}, with {free} free on the card",
        grouped(failure.event)
    ));
    stack(paper, &failure.stack);
}

fn blame(paper: &mut Paper, device: &DeviceFacts) {
    if device.blame.is_empty() {
        return;
    }
    paper.heading("What holds the gaps, with the stack that holds most of each");
    for row in device.blame.iter().take(MOST_STACKS) {
        let (pins, live) = (Bytes::new(row.pins_bytes), Bytes::new(row.live_bytes));
        let blocks = counted(row.blocks, "block");
        paper.line(&format!("  {pins} by {blocks}, {live}"));
        stack(paper, &row.stack);
    }
    let rest = device.blame.get(MOST_STACKS..).unwrap_or_default();
    let pins: u64 = rest.iter().map(|row| row.pins_bytes).sum();
    let (count, pins) =
        (rest.len() + device.blame_omitted.rows, pins + device.blame_omitted.pins_bytes);
    if 0 < count {
        paper.line(&format!("  {} by {}", Bytes::new(pins), more(count, "place")));
    }
}

fn stack(paper: &mut Paper, stack: &[Place]) {
    let frames = telling(stack);
    for place in frames.iter().take(MOST_FRAMES) {
        paper.line(&ink(ASIDE, &format!("      {}", frame(place))));
    }
    if let Some(rest) = frames.len().checked_sub(MOST_FRAMES).filter(|&rest| 0 < rest) {
        paper.line(&ink(ASIDE, &format!("      {} more", grouped(rest))));
    }
    if stack.is_empty() {
        paper.line(&ink(ASIDE, "      (no stack recorded)"));
    }
}

fn ransom(paper: &mut Paper, device: &DeviceFacts) {
    let Some(ransom) = device.ransom.as_ref().filter(|ransom| 0 < ransom.block_count) else {
        return;
    };
    let heads = ["Ransom", "size", "blocks"];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(ransom.sites.iter().take(MOST_SITES).map(|share| {
        let place = format!("  {}", site(share.site.as_ref()));
        [place, Bytes::new(share.bytes).to_string(), grouped(share.blocks)]
    }));
    paper.gap();
    rows(paper, &lines, [Side::Left, Side::Right, Side::Right]);
    if let Some(rest) = ransom.sites.len().checked_sub(MOST_SITES).filter(|&rest| 0 < rest) {
        paper.line(&format!("  {}", more(rest, "place")));
    }
}

fn pools(paper: &mut Paper, pools: &[PoolFacts]) {
    let heads = ["Pools", "stream", "segments", "reserved", "pinned", "releasable"];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(pools.iter().map(|pool| {
        let [first, second] = pool.pool;
        let name = match pool.pool {
            [0, 0] => format!("  {}", pool.size_pool),
            _ => format!("  {} of ({first}, {second})", pool.size_pool),
        };
        let stream = match pool.stream {
            0 => "default".to_owned(),
            stream => format!("{stream}"),
        };
        [
            name,
            stream,
            grouped(pool.segments),
            Bytes::new(pool.reserved_bytes).to_string(),
            pool.bytes(Cause::PinnedGap).to_string(),
            pool.bytes(Cause::Releasable).to_string(),
        ]
    }));
    paper.gap();
    let right = Side::Right;
    rows(paper, &lines, [Side::Left, right, right, right, right, right]);
}

fn notes(paper: &mut Paper, facts: &Facts) {
    if let Some(host) = &facts.recording.pinned_host {
        let (peak, end) = (host.peak.reserved_bytes, host.end.reserved_bytes);
        paper.gap();
        paper.line(&format!(
            "Pinned host memory: {} at the peak, {} at the end",
            Bytes::new(peak),
            Bytes::new(end)
        ));
    }
    if facts.recording.notes.is_empty() {
        return;
    }
    paper.heading("Notes on the recording");
    for note in &facts.recording.notes {
        let device = note.device.map_or(String::new(), |device| format!("device {device}: "));
        paper.item(2, "-", &format!("{device}{} [{}]", clean(&note.text), note.code));
    }
}
