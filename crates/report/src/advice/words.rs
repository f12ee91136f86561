//! The sentences that all formats share.

use gapless_units::Bytes;

use super::facts::{CardFacts, DeviceAdviceFacts, NoHelpFacts, TrialFacts};
use crate::facts::PrescribedFacts;
use crate::figures::{counted, grouped, percent, percent_of};
use crate::replay::millis;
use crate::words::{clean, ransom};

/// How many of the best a person wants to see.
const MOST_BEST: usize = 5;

/// Short names for the table, where the keys would not fit.
const SHORT: [(&str, &str); 8] = [
    ("expandable_segments:True", "expandable"),
    ("expandable_segments:False", "not expandable"),
    ("max_split_size_mb:", "split "),
    ("max_non_split_rounding_mb:", "window "),
    ("garbage_collection_threshold:", "collect "),
    ("per_process_memory_fraction:", "share "),
    ("roundup_power2_divisions:", "round "),
    ("large_segment_size_mb:", "segment "),
];

/// What the advice is about, in pieces.
pub(super) fn headline(name: &str, device: &DeviceAdviceFacts) -> Vec<String> {
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
        clean(name),
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

/// Settings as the table shows them.
fn short(trial: &TrialFacts) -> String {
    let text = settings(trial);
    SHORT.iter().fold(text, |text, (key, name)| text.replace(key, name)).replace(',', ", ")
}

/// The answer: a title, whether it is good news, and a sentence or two.
pub(super) fn answer(device: &DeviceAdviceFacts) -> (String, bool, String) {
    if let Some(found) = &device.prescription {
        let trial = &found.trial;
        let title = match trial.changed.len() {
            0 => format!("UPGRADE TO PYTORCH {}", trial.framework),
            1 => "CHANGE ONE SETTING".to_owned(),
            count => format!("CHANGE {count} SETTINGS"),
        };
        let reserved = Bytes::new(trial.peak_reserved_bytes);
        let live = Bytes::new(trial.live_peak_bytes);
        let mut text = if device.goal == "fit" {
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
        if !trial.dropped.is_empty() {
            text = format!("{text} It does without {}.", trial.dropped.join(" and "));
        }
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
                 alive at once. This is not fragmentation."
            );
            ("NO SETTING HELPS".to_owned(), false, text)
        }
        "every_setting" => {
            let other = device.replacement.as_ref().filter(|other| other.completed);
            let other = other
                .map(|other| format!(" With another allocator, {}, it fits.", other.allocator));
            let text = format!(
                "{} Under none of {} does it fit: you need {bytes} more.{}{blocks}",
                fails_now(device),
                counted(device.runs, "setting"),
                other.unwrap_or_default()
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

/// Another allocator in the place of PyTorch's: a heading, and what it would bring.
pub(super) fn replacement(device: &DeviceAdviceFacts) -> Option<(&'static str, String)> {
    let other = device.replacement.as_ref()?;
    let heading = if other.offered {
        "Worth more than any setting: another allocator"
    } else {
        "Another allocator"
    };
    Some((heading, other.sentence(&device.cost_preset)))
}

/// What the change costs.
pub(super) fn cost(device: &DeviceAdviceFacts, trial: &TrialFacts) -> String {
    let calls = |trial: &TrialFacts| {
        let count = usize::try_from(trial.device_calls).unwrap_or(usize::MAX);
        format!("{} of the device ({})", counted(count, "call"), millis(trial.modelled_us))
    };
    let retries = match trial.retries {
        0 => String::new(),
        1 => "; the cache is given back once to make room".to_owned(),
        times => format!("; the cache is given back {times} times to make room"),
    };
    let until = if device.current.completed { "" } else { " until it fails" };
    format!(
        "Cost over the whole recording, by the costs {}: {}, now {}{until}{retries}.",
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

/// What settings are called, with the release where it is another than now.
fn of_release(settings: String, release: &str, device: &DeviceAdviceFacts) -> String {
    if release == device.current.framework {
        settings
    } else {
        format!("{settings}, PyTorch {release}")
    }
}

/// A row of it.
pub(super) fn tried_row(device: &DeviceAdviceFacts, trial: &TrialFacts) -> [String; 6] {
    let name = of_release(short(trial), &trial.framework, device);
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

/// The rows a person wants to see: the best, the best that each key does alone, since that is
/// what people try, and the current settings last; and how many are left out.
pub(super) fn shown(device: &DeviceAdviceFacts) -> (Vec<[String; 6]>, usize) {
    let current = |trial: &TrialFacts| {
        trial.settings == device.current.settings && trial.framework == device.current.framework
    };
    let mut keys: Vec<&str> = Vec::new();
    let mut rows: Vec<[String; 6]> = Vec::new();
    for (index, trial) in device.tried.iter().enumerate() {
        let alone = match trial.changed.as_slice() {
            [key] if !keys.contains(key) => Some(*key),
            _ => None,
        };
        let prescribed = device
            .prescription
            .as_ref()
            .is_some_and(|found| found.trial.settings == trial.settings);
        if !current(trial) && (index < MOST_BEST || alone.is_some() || prescribed) {
            keys.extend(alone);
            let mut row = tried_row(device, trial);
            if prescribed {
                row[0].push_str(" (prescribed)");
            }
            rows.push(row);
        }
    }
    if let Some(now) = device.tried.iter().find(|trial| current(trial)) {
        let mut row = tried_row(device, now);
        row[0].push_str(" (now)");
        rows.push(row);
    }
    let left = device.tried.len().saturating_sub(rows.len());
    (rows, left)
}

/// A row of the smallest cards, with so many names at most.
pub(super) fn card_row(device: &DeviceAdviceFacts, card: &CardFacts, names: usize) -> [String; 4] {
    let name = if card.settings.is_empty() { "default settings" } else { &card.settings };
    let name = SHORT.iter().fold(name.to_owned(), |text, (key, short)| text.replace(key, short));
    let name = of_release(name.replace(',', ", "), &card.framework, device);
    let capacity = Bytes::new(card.smallest_capacity_bytes).shown_at_least();
    let gaps = if card.has_gaps { " or so" } else { "" };
    let cards = if card.cards.is_empty() {
        "none of the catalog".to_owned()
    } else {
        card.cards[..names.min(card.cards.len())].join(", ")
    };
    [clean(&name), format!("{capacity}{gaps}"), percent(card.waste_at_capacity), cards]
}

impl DeviceAdviceFacts {
    /// The prescription in short, where it is worth a line beside an explanation: it makes the
    /// program fit, or saves a twentieth of what is reserved.
    pub fn in_short(&self) -> Option<PrescribedFacts> {
        const WORTH: f64 = 0.05;
        let found = self.prescription.as_ref()?;
        let trial = &found.trial;
        let saved = Bytes::new(trial.saved_bytes.and_then(|s| u64::try_from(s).ok()).unwrap_or(0));
        let now = Bytes::new(self.current.peak_reserved_bytes);
        if self.goal == "save" && saved.share_of(now) < WORTH {
            return None;
        }
        let (_, _, summary) = answer(self);
        let fidelity = self.fidelity.as_ref();
        let share = fidelity.filter(|fidelity| 0 < fidelity.events);
        Some(PrescribedFacts {
            line: found.line.clone(),
            settings: trial.settings.clone(),
            goal: self.goal,
            summary,
            peak_reserved_bytes: trial.peak_reserved_bytes,
            headroom_bytes: trial.headroom_bytes,
            saved_bytes: trial.saved_bytes,
            fidelity: share.map(|fidelity| fidelity.equal as f64 / fidelity.events as f64),
        })
    }
}
