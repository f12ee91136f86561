//! The sentences that all formats share.

use gapless_units::Bytes;

use super::facts::{ReplayFacts, RunFacts};
use super::fidelity::FidelityFacts;
use crate::facts::RecordingFacts;
use crate::figures::{counted, grouped, percent};
use crate::words::{clean, site};

/// What was replayed under what, in pieces.
pub(super) fn headline(name: &str, run: &RunFacts) -> Vec<String> {
    let settings = match run.settings.as_str() {
        "" => "default settings".to_owned(),
        settings => clean(settings),
    };
    let whose = match run.settings_from {
        "given" => "",
        _ if run.is_ours() => " (the default)",
        "recorded" => " (as recorded)",
        _ => " (none recorded)",
    };
    let release = match run.framework_from {
        Some("given") => "",
        Some("inferred") => " (inferred from the recording)",
        _ => " (not told)",
    };
    let allocator = match &run.framework {
        Some(framework) => format!("PyTorch {framework}{release}"),
        None => "gapless' own allocator".to_owned(),
    };
    let card = match run.capacity_bytes {
        Some(capacity) => {
            format!("{}, {} of it outside", Bytes::new(capacity), Bytes::new(run.outside_bytes))
        }
        None => "a card without limit".to_owned(),
    };
    vec![
        clean(name),
        format!("device {}", run.device),
        format!("{settings}{whose}"),
        allocator,
        card,
    ]
}

/// What it is called where all of the recording comes back.
pub(crate) const EXACT: &str = "EXACT";

/// How much the prediction is worth.
pub(crate) fn fidelity_sentence(
    recording: &RecordingFacts,
    fidelity: Option<&FidelityFacts>,
) -> (&'static str, String) {
    let Some(fidelity) = fidelity else {
        if recording.is_ours() {
            let text = "The recording is of gapless' own allocator, and all of this is what \
                        PyTorch's would have done with the program, under default settings unless \
                        others are given. Nothing says how well the replay meets it.";
            return ("UNCHECKED", text.to_owned());
        }
        let contradiction = recording.notes.iter().find(|note| note.weight == "contradiction");
        let why = match contradiction {
            Some(note) => format!("contradicts itself ({})", clean(&note.text)),
            None => "does not tell where its blocks were placed".to_owned(),
        };
        let text = format!(
            "The recording {why}, so nothing says how well the replay meets the program it was \
             made of."
        );
        return ("UNCHECKED", text);
    };
    if fidelity.events == 0 {
        let text = "The recording has no events to check the replay by.";
        return ("UNCHECKED", text.to_owned());
    }
    let counts = format!("{} of {} events", grouped(fidelity.equal), grouped(fidelity.events));
    if fidelity.is_exact() {
        let text = format!(
            "Under its own settings, by the rules of PyTorch {}, the recording comes back: \
             {counts}, every address.",
            fidelity.framework
        );
        return (EXACT, text);
    }
    let share = percent(fidelity.equal as f64 / fidelity.events as f64);
    let first = fidelity.first_difference.as_ref().map(|difference| {
        let replayed = difference.replayed.as_deref().unwrap_or("nothing");
        format!(
            " It departs at event {}: recorded was {}, replayed {replayed}; {}.",
            difference.event, difference.recorded, difference.explanation
        )
    });
    let text = format!(
        "Under its own settings only {share} of the recording come back ({counts}): take what \
         follows as an estimate.{}",
        first.unwrap_or_default()
    );
    ("INEXACT", text)
}

/// The same of a run, whose allocator may be our own.
pub(super) fn worth(facts: &ReplayFacts, run: &RunFacts) -> (&'static str, String) {
    if facts.recording.is_ours() && run.is_ours() {
        let text = "The recording is of gapless' own allocator. The replay begins with nothing, and \
                    nothing says how well it meets what was recorded.";
        return ("UNCHECKED", text.to_owned());
    }
    let (title, text) = fidelity_sentence(&facts.recording, run.fidelity.as_ref());
    let given = Some("given");
    let is_as_recorded =
        !run.is_ours() && Some(run.settings_from) != given && run.framework_from != given;
    let differs = run.recorded_peak.as_ref().is_some_and(|recorded| *recorded != run.peak);
    if title == EXACT && is_as_recorded && differs {
        let why =
            "What follows is the same on another card, with addresses and a limit of its own.";
        return (title, format!("{text} {why}"));
    }
    (title, text)
}

/// Whether the program fits: a title, whether that is good news, and a sentence.
pub(super) fn answer(run: &RunFacts) -> (&'static str, bool, String) {
    let (title, fits, text) = outcome(run);
    let begun_anew = run.too_large_to_begin_bytes.map(|held| {
        format!(
            " The recording begins with {} reserved, more than this card has: the replay begins \
             with nothing.",
            Bytes::new(held)
        )
    });
    (title, fits, text + &begun_anew.unwrap_or_default())
}

/// The same, whatever the run began with.
fn outcome(run: &RunFacts) -> (&'static str, bool, String) {
    if let Some(failure) = &run.failure {
        let at = failure.site.as_ref().map(|place| format!(" at {}", site(Some(place))));
        let many = match run.failures.len() {
            1 => String::new(),
            count => format!(" It is the first of {}.", counted(count, "failure")),
        };
        let free = failure
            .device_free_bytes
            .map(|free| format!(" The card had {} left.", Bytes::new(free)));
        let limit = failure
            .limit_bytes
            .map(|limit| format!(" The allocator may reserve {}.", Bytes::new(limit)));
        let live = run.live_alone_needs_bytes.map(|needs| {
            format!(" It cannot fit: what is alive alone needs {}.", Bytes::new(needs))
        });
        let why = run
            .verdict
            .as_ref()
            .filter(|_| live.is_none())
            .map(|verdict| format!(" Verdict: {}. {}", verdict.title, clean(&verdict.summary)));
        let text = format!(
            "Operation {} (event {}) asked for {}{}.{}{}{}{}{many}",
            grouped(failure.operation),
            grouped(failure.event),
            Bytes::new(failure.requested_bytes),
            at.unwrap_or_default(),
            free.unwrap_or_default(),
            limit.unwrap_or_default(),
            live.unwrap_or_default(),
            why.unwrap_or_default(),
        );
        return ("DOES NOT FIT", false, text);
    }
    let reserved = Bytes::new(run.peak.reserved_bytes);
    if let (Some(capacity), Some(headroom)) = (run.capacity_bytes, run.headroom_bytes) {
        let text = format!(
            "{} hold it: {reserved} reserved at most, {} to spare.",
            Bytes::new(capacity),
            Bytes::new(headroom)
        );
        return ("FITS", true, text);
    }
    let outside = Bytes::new(run.outside_bytes);
    let text = format!(
        "It reserves {reserved} at most; a card of {} holds it without giving anything back, \
         {outside} of that for the context.",
        (reserved + outside).shown_at_least()
    );
    ("COMPLETES", true, text)
}

/// The rows that compare the recorded run with the replayed one: a name and two values.
pub(super) fn comparison(run: &RunFacts) -> Vec<[String; 3]> {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let recorded = run.recorded_peak.as_ref();
    let of = |value: Option<u64>| value.map_or_else(String::new, bytes);
    let waste = |active: u64, reserved: u64| {
        let share = 1.0 - Bytes::new(active).share_of(Bytes::new(reserved));
        percent(if reserved == 0 { 0.0 } else { share })
    };
    let counters = &run.counters;
    let (waits, times) = if run.is_ours() {
        ("waited for the device", counters.stalls)
    } else {
        ("cache given back to make room", counters.alloc_retries)
    };
    vec![
        [
            "peak requested".into(),
            of(recorded.map(|p| p.requested_bytes)),
            bytes(run.peak.requested_bytes),
        ],
        ["peak in use".into(), of(recorded.map(|p| p.active_bytes)), bytes(run.peak.active_bytes)],
        [
            "peak reserved".into(),
            of(recorded.map(|p| p.reserved_bytes)),
            bytes(run.peak.reserved_bytes),
        ],
        [
            "reserved and not in use".into(),
            recorded.map_or_else(String::new, |p| waste(p.active_bytes, p.reserved_bytes)),
            waste(run.peak.active_bytes, run.peak.reserved_bytes),
        ],
        [
            waits.into(),
            String::new(),
            counted(usize::try_from(times).unwrap_or(usize::MAX), "time"),
        ],
        [
            "calls of the device".into(),
            String::new(),
            grouped(usize::try_from(counters.device_calls).unwrap_or(usize::MAX)),
        ],
        [format!("their time, costs {}", run.cost_preset), String::new(), millis(run.modelled_us)],
    ]
}

/// Microseconds as people read them.
pub(crate) fn millis(micros: f64) -> String {
    if micros < 1e6 { format!("{:.1} ms", micros / 1e3) } else { format!("{:.2} s", micros / 1e6) }
}
