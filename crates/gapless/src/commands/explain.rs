//! `gapless explain`: where every reserved byte is, and why a request failed.

mod typed;

mod order;

use gapless::report::{
    Examination, Facts, Inputs, Look, Source, html, json, markdown, redact, redacted_path, text,
};

use super::sweeping::{AlongTheWay, along_the_way};
use crate::failure::Failure;
use crate::input::Input;
use crate::progress::Progress;
use order::Order;

use typed::Format;

pub(crate) use typed::Typed;

/// How to see what happened before a snapshot that has no events.
const RECORD_EARLIER: &str = "to see what happened before the snapshot, call \
     `torch.cuda.memory._record_memory_history()` when the program starts";

/// The same for our own allocator.
const OBSERVE_EARLIER: &str =
    "to see what happened before the snapshot, give the allocator a `Recorder` as its observer";

/// The note on a recording without requests.
const NO_REQUESTS: &str = "no-requests";

/// Explains what was typed. Files that cannot be read do not keep the others from being told.
pub(crate) fn run(typed: Typed) -> Result<(), Vec<Failure>> {
    let order = typed.mean().map_err(|failure| vec![failure])?;
    let (told, mut failures) = examine(&order);
    if let Some(told) = told
        && let Err(failure) = tell(&order, &told)
    {
        failures.push(failure);
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// What there is to tell.
enum Told {
    /// The facts of all recordings that could be read.
    Facts(Vec<Facts>),
    /// A finished page.
    Page(String),
}

fn examine(order: &Order) -> (Option<Told>, Vec<Failure>) {
    let progress = Progress::new(order.inputs.len(), order.output.is_quiet());
    let mut told = Vec::new();
    let mut failures = Vec::new();
    for (index, input) in order.inputs.iter().enumerate() {
        progress.say(format!("reading {}", input.name()));
        match examine_one(order, input, index + 1, &progress) {
            Ok(examination) if order.format == Format::Html => {
                return match page(order, &examination) {
                    Ok(page) => (Some(Told::Page(page)), failures),
                    Err(failure) => (None, vec![failure]),
                };
            }
            Ok(examination) => told.push(facts(order, &examination)),
            Err(failure) => failures.push(failure),
        }
        progress.step();
    }
    ((!told.is_empty()).then_some(Told::Facts(told)), failures)
}

fn examine_one(
    order: &Order,
    input: &Input,
    number: usize,
    progress: &Progress,
) -> Result<Examination, Failure> {
    let (mut recording, bytes) = input.read()?;
    let mut path = input.path().display().to_string();
    if order.redact {
        recording = redact(recording);
        path = redacted_path(&path, number);
    }
    progress.say(format!("explaining {}", input.name()));
    Examination::of(recording, Source { path, bytes }, &order.asked)
        .map_err(|source| Failure::Examine { name: input.name(), source })
}

/// The facts, with the prescription where a sweep takes under a second.
fn facts(order: &Order, examination: &Examination) -> Facts {
    let mut facts = Facts::of(examination);
    for (place, device) in facts.devices.iter_mut().enumerate() {
        match along_the_way(examination, place, order.asked.capacity) {
            AlongTheWay::TooLong => device.prescription_unsought = true,
            AlongTheWay::Advice(advice) => device.prescription = advice.in_short(),
            AlongTheWay::Nothing => {}
        }
    }
    facts
}

fn page(order: &Order, examination: &Examination) -> Result<String, Failure> {
    html(examination, &facts(order, examination)).map_err(|source| Failure::Json { source })
}

fn tell(order: &Order, told: &Told) -> Result<(), Failure> {
    let output = &order.output;
    let facts = match told {
        Told::Page(page) => return output.write(page),
        Told::Facts(facts) => facts,
    };
    match order.format {
        Format::Json => {
            let inputs = Inputs::of(order.inputs.len());
            let text = json(facts, inputs).map_err(|source| Failure::Json { source })?;
            output.write(&text)
        }
        Format::Markdown => output.write(&markdown(facts)),
        Format::Text | Format::Html => {
            let look = Look { width: output.width(), verbose: order.verbose, hints: true };
            output.write_styled(&text(facts, &look))?;
            let mut notes = facts.iter().flat_map(|facts| &facts.recording.notes);
            if notes.any(|note| note.code == NO_REQUESTS) {
                let ours = facts.iter().any(|facts| facts.recording.is_ours());
                output.hint(if ours { OBSERVE_EARLIER } else { RECORD_EARLIER });
            }
            Ok(())
        }
    }
}
