//! The words and sentences that text and Markdown share.
//!
//! Texts of a recording are hostile to terminals: [`clean`] takes out what could move the cursor
//! or turn the direction of writing.

use gapless_units::Bytes;

use crate::facts::{
    AtFacts, DeviceFacts, Facts, FindingFacts, LedgerFacts, Place, PrescribedFacts, RansomFacts,
    RequestFacts,
};
use crate::figures::{counted, grouped, percent};
use crate::names::folders;

/// Where installed packages begin.
const PACKAGES: [&str; 2] = ["/site-packages/", "/dist-packages/"];
/// Functions of PyTorch that stand around every module's own.
const WRAPPERS: [&str; 2] = ["_call_impl", "_wrapped_call_impl"];

/// A text of the recording without control characters and without marks of direction.
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => '?',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// The last component of a path.
pub(crate) fn file_name(path: &str) -> String {
    clean(&path[folders(path)..])
}

/// A line of the program: `modeling_llama.py:66 forward`.
pub(crate) fn site(place: Option<&Place>) -> String {
    let Some(place) = place else { return "(no stack recorded)".to_owned() };
    let (file, function) = (file_name(&place.file), clean(&place.function));
    if file.is_empty() || file == "??" {
        return format!("(no Python frame: {function})");
    }
    match place.line {
        0 => format!("{file} {function}"),
        line => format!("{file}:{line} {function}"),
    }
}

/// A frame of a stack, its path from the package on.
pub(crate) fn frame(place: &Place) -> String {
    let file = clean(&place.file);
    let package = PACKAGES.iter().find_map(|folder| file.rfind(folder).map(|at| at + folder.len()));
    format!("{}:{} {}", &file[package.unwrap_or(0)..], place.line, clean(&place.function))
}

/// The frames that say where the program is, without those that only pass a call on.
pub(crate) fn telling(stack: &[Place]) -> Vec<&Place> {
    let passes_on = |place: &Place| WRAPPERS.contains(&place.function.as_str());
    stack.iter().filter(|place| !passes_on(place)).collect()
}

/// What the device and its recording are, in pieces.
pub(crate) fn headline(facts: &Facts, device: &DeviceFacts) -> Vec<String> {
    let framework = facts.recording.framework.as_ref().map(|framework| clean(&framework.text));
    let settings = match device.settings.as_deref() {
        None => None,
        Some("") => Some("default settings".to_owned()),
        Some(settings) => Some(clean(settings)),
    };
    let mut pieces = vec![format!("device {}", device.device)];
    pieces.extend(framework);
    pieces.extend(settings);
    pieces.push(course(device));
    pieces
}

/// The change of settings that a replay recommends, in a sentence.
pub(crate) fn prescription(device: &DeviceFacts) -> Option<String> {
    let unsought = "Prescription: not looked for in so long a recording; see `gapless advise`.";
    let unsought = device.prescription_unsought.then(|| unsought.to_owned());
    device.prescription.as_ref().map(prescribed).or(unsought)
}

fn prescribed(found: &PrescribedFacts) -> String {
    let worth = match found.fidelity {
        Some(share) if share < 1.0 => ", an estimate",
        _ => "",
    };
    let gain = if found.goal == "fit" {
        "makes it fit".to_owned()
    } else {
        let saved = found.saved_bytes.map_or(0, i64::unsigned_abs);
        format!("saves {}", Bytes::new(saved))
    };
    format!("Prescription{worth}: {} {gain}; see `gapless advise`.", clean(&found.settings))
}

/// How long the recording of a device is and what became of it.
fn course(device: &DeviceFacts) -> String {
    if device.events == 0 {
        return "a state without events".to_owned();
    }
    let events = counted(device.events, "event");
    match &device.failure {
        None => events,
        Some(failure) if failure.is_last => format!("{events}, ends out of memory"),
        Some(failure) => format!("{events}, out of memory at event {}", grouped(failure.event)),
    }
}

/// When a ledger was taken.
pub(crate) fn moment(ledger: &LedgerFacts) -> String {
    match ledger.at {
        AtFacts::Failure => "when the request failed".to_owned(),
        AtFacts::End => "at the end".to_owned(),
        AtFacts::Event(event) => format!("after event {}", grouped(event)),
    }
}

/// What a cause is called.
pub(crate) fn cause(name: &str) -> &str {
    match name {
        "pinned_gap" => "pinned gap",
        other => other,
    }
}

/// What is to be known about the bytes with a cause.
pub(crate) fn about_cause(name: &str, bytes: Bytes, ledger: &LedgerFacts) -> String {
    match name {
        "pending" => "waits for a stream".to_owned(),
        "pinned_gap" if !bytes.is_zero() => format!(
            "in {} of {}",
            grouped(ledger.segments_with_gaps),
            counted(ledger.segments, "segment")
        ),
        "releasable" if bytes.is_zero() => "nothing to give back".to_owned(),
        "releasable" => match ledger.flushable() {
            Bytes::ZERO if ledger.pinned_free_bytes == 0 => "private pools keep it".to_owned(),
            Bytes::ZERO if ledger.pinned_free_bytes == bytes.get() => "pinned pages".to_owned(),
            Bytes::ZERO => "private pools and pins keep it".to_owned(),
            all if all == bytes => "a flush gives it back".to_owned(),
            part => format!("a flush gives {part}"),
        },
        _ => String::new(),
    }
}

/// What keeps free bytes from the request.
pub(crate) fn obstacle(name: &str) -> &str {
    match name {
        "other_pool" => "other pool",
        "other_size_pool" => "other sizes",
        "other_stream" => "other stream",
        "too_small" => "too small",
        "split_limit" => "split limit",
        "none" => "would serve",
        other => other,
    }
}

/// The request that free memory is measured against.
pub(crate) fn request(request: &RequestFacts) -> String {
    let bytes = Bytes::new(request.requested_bytes);
    match (request.origin, request.event) {
        ("failed", _) => format!("the {bytes} asked for"),
        ("largest_recent", Some(event)) => {
            format!("{bytes}, the largest of late (event {})", grouped(event))
        }
        _ => format!("{bytes}, the largest block alive"),
    }
}

/// Whether the request in question is one that failed.
pub(crate) fn failed(device: &DeviceFacts) -> bool {
    device.request.as_ref().is_some_and(|request| request.origin == "failed")
}

/// What the ransom is, in a sentence or two.
pub(crate) fn ransom(ransom: &RansomFacts, device: &DeviceFacts) -> String {
    let (price, gains) = (Bytes::new(ransom.price_bytes), Bytes::new(ransom.gains_bytes));
    let asked = device.request.as_ref().map_or(0, |request| request.requested_bytes);
    let asked = Bytes::new(asked);
    let then = if ransom.kind == "whole_segments" {
        format!("whole segments would go back to the card: enough for the {asked}")
    } else {
        format!("one gap of {gains} would serve the {asked}")
    };
    if ransom.block_count == 0 {
        return format!("nothing. Once the streams that use pending blocks are done, {then}.");
    }
    let (blocks, were) = match ransom.block_count {
        1 => ("one live block".to_owned(), "was"),
        count => (counted(count, "live block"), "were"),
    };
    let from = heaviest_site(ransom);
    format!("{price}. If {blocks}{from} {were} elsewhere, {then}.")
}

/// Where most of the ransom was allocated.
fn heaviest_site(ransom: &RansomFacts) -> String {
    match ransom.sites.as_slice() {
        [] => String::new(),
        [only] => format!(" (from {})", site(only.site.as_ref())),
        [first, ..] => format!(" (mostly from {})", site(first.site.as_ref())),
    }
}

/// The weight of a finding: `1.20 GiB, 4.8 % of the peak`.
pub(crate) fn weight(finding: &FindingFacts) -> String {
    let share = percent(finding.share_of_peak);
    format!("{}, {share} of the peak", Bytes::new(finding.bytes))
}
