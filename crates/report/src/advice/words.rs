//! The sentences that all formats share.

use gapless_units::Bytes;

use super::facts::{AdviceFacts, CardFacts, DeviceAdviceFacts, NoHelpFacts, TrialFacts};
use crate::figures::{counted, grouped, percent, percent_of};
use crate::replay::millis;
use crate::words::{clean, file_name, ransom};

/// The most rows of what was tried that a person wants to see.
pub(super) const MOST_TRIED: usize = 10;

/// What the advice is about, in pieces.
pub(super) fn headline(facts: &AdviceFacts, device: &DeviceAdviceFacts) -> Vec<String> {
    let card = match (device.capacity_bytes, device.capacity_from) {
        (Some(capacity), Some("recorded")) => format!(
            "a card of {} (told by the recorded failure, {} of it taken for the context)",
            Bytes::new(capacity),
            Bytes::new(device.outside_bytes)
        ),
        (Some(capacity), _) => {
            format!("{}, {} of it outside", Bytes::new(capacity), Bytes::new(device.outside_bytes))
        }
        (None, _) => "no card given".to_owned(),
    };
    let mut pieces = vec![
        file_name(&facts.recording.path),
        format!("device {}", device.device),
        settings(&device.current),
        format!("PyTorch {}", device.current.framework),
        card,
    ];
    if device.begun_anew {
        pieces.push("replayed from an empty allocator".to_owned());
    }
    pieces
}

/// Settings as they are shown.
pub(super) fn settings(trial: &TrialFacts) -> String {
    match trial.settings.as_str() {
        "" => "default settings".to_owned(),
        text => clean(text),
    }
}

/// The answer: a title, whether it is good news, and a sentence or two.
pub(super) fn answer(device: &DeviceAdviceFacts) -> (String, bool, String) {
    if let Some(found) = &device.prescription {
        let trial = &found.trial;
        let title = match (found.changed.len(), device.goal) {
            (0, _) => format!("UPGRADE TO PYTORCH {}", trial.framework),
            (1, _) => "CHANGE ONE SETTING".to_owned(),
            (count, _) => format!("CHANGE {count} SETTINGS"),
        };
        let reserved = Bytes::new(trial.peak_reserved_bytes);
        let live = Bytes::new(device.live_peak_bytes);
        let text = if device.goal == "fit" {
            let headroom = Bytes::new(trial.headroom_bytes.unwrap_or(0));
            format!(
                "{} Then it fits, with {headroom} to spare: {reserved} reserved at most, {live} \
                 of them alive.",
                fails_now(device)
            )
        } else {
            let now = Bytes::new(device.current.peak_reserved_bytes);
            let saved = now.saturating_sub(reserved);
            format!(
                "It reserves {reserved} instead of {now} at most: {saved} less ({}). {live} are \
                 alive at the peak.",
                percent_of(saved, now)
            )
        };
        return (title, true, text);
    }
    let Some(reason) = &device.reason else {
        return ("NOTHING TO SAY".to_owned(), false, String::new());
    };
    no_help(device, reason)
}

fn fails_now(device: &DeviceAdviceFacts) -> String {
    match device.current.failed_operation {
        Some(operation) => format!("Operation {} fails now.", grouped(operation)),
        None => String::new(),
    }
}

fn no_help(device: &DeviceAdviceFacts, reason: &NoHelpFacts) -> (String, bool, String) {
    let bytes = reason.bytes.map(Bytes::new).unwrap_or_default();
    let live = Bytes::new(device.live_peak_bytes);
    let blocks = match (&reason.ransom, &device.now) {
        (Some(found), Some(now)) => format!(" Or these blocks gone: {}", ransom(found, now)),
        _ => String::new(),
    };
    match reason.kind {
        "live_alone" => {
            let needs = live + Bytes::new(device.outside_bytes);
            let text = format!(
                "What is alive alone needs a card of {needs}: you need {bytes} more, or less \
                 alive at once. This is not fragmentation.{blocks}"
            );
            ("NO SETTING HELPS".to_owned(), false, text)
        }
        "every_setting" => {
            let text = format!(
                "{} Under none of {} does it fit: you need {bytes} more.{blocks}",
                fails_now(device),
                counted(device.runs, "setting")
            );
            ("NO SETTING HELPS".to_owned(), false, text)
        }
        _ => {
            let reserved = Bytes::new(device.current.peak_reserved_bytes);
            let text = format!(
                "{live} of the {reserved} reserved at most are alive ({}); the best of {} would \
                 save {bytes}.",
                percent_of(live, reserved),
                counted(device.runs, "setting")
            );
            ("NOTHING TO CHANGE".to_owned(), true, text)
        }
    }
}

/// What the change costs.
pub(super) fn cost(device: &DeviceAdviceFacts, trial: &TrialFacts) -> String {
    let calls = |trial: &TrialFacts| {
        let count = usize::try_from(trial.device_calls).unwrap_or(usize::MAX);
        format!("{} for memory ({})", counted(count, "call"), millis(trial.modelled_us))
    };
    let retries = match trial.retries {
        0 => String::new(),
        1 => "; the cache is given back once to make room".to_owned(),
        times => format!("; the cache is given back {times} times to make room"),
    };
    format!(
        "Cost over the whole recording, by the preset {}: {}, now {}{retries}.",
        device.cost_preset,
        calls(trial),
        calls(&device.current)
    )
}

/// The head of the table of what was tried.
pub(super) fn tried_head(device: &DeviceAdviceFacts) -> [&'static str; 6] {
    let spare = if device.capacity_bytes.is_some() { "to spare" } else { "saved" };
    ["tried", "fits", "peak reserved", spare, "retries", "calls take"]
}

/// A row of it.
pub(super) fn tried_row(device: &DeviceAdviceFacts, trial: &TrialFacts) -> [String; 6] {
    let mut name = settings(trial);
    if trial.framework != device.current.framework {
        name = format!("{name}, PyTorch {}", trial.framework);
    }
    let spare = match (device.capacity_bytes, trial.headroom_bytes, trial.saved_bytes) {
        (Some(_), Some(headroom), _) => Bytes::new(headroom).to_string(),
        (None, _, Some(saved)) if saved < 0 => {
            format!("-{}", Bytes::new(saved.unsigned_abs()))
        }
        (None, _, Some(saved)) => Bytes::new(saved.unsigned_abs()).to_string(),
        _ => String::new(),
    };
    [
        name,
        if trial.completed { "yes" } else { "no" }.to_owned(),
        Bytes::new(trial.peak_reserved_bytes).to_string(),
        spare,
        trial.retries.to_string(),
        millis(trial.modelled_us),
    ]
}

/// The rows a person wants to see: the best, and the current settings.
pub(super) fn shown(device: &DeviceAdviceFacts) -> (Vec<[String; 6]>, usize) {
    let current = |trial: &TrialFacts| {
        trial.settings == device.current.settings && trial.framework == device.current.framework
    };
    let mut rows = Vec::new();
    let mut left = 0;
    for (index, trial) in device.tried.iter().enumerate() {
        if index < MOST_TRIED || current(trial) {
            let mut row = tried_row(device, trial);
            if current(trial) {
                row[0] = format!("{} (now)", row[0]);
            }
            rows.push(row);
        } else {
            left += 1;
        }
    }
    (rows, left)
}

/// A row of the smallest cards.
pub(super) fn card_row(card: &CardFacts) -> [String; 4] {
    let name = if card.settings.is_empty() { "default settings" } else { &card.settings };
    let capacity = Bytes::new(card.smallest_capacity_bytes);
    let gaps = if card.has_gaps { " or so" } else { "" };
    let cards = if card.cards.is_empty() {
        "none of the catalog".to_owned()
    } else {
        card.cards.join(", ")
    };
    [clean(name), format!("{capacity}{gaps}"), percent(card.waste_at_capacity), cards]
}
