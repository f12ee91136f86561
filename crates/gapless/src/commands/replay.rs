//! `gapless replay`: what a recording would have done under other settings or on another card.

mod typed;

use gapless::formats::write_snapshot;
use gapless::replay::OnFailure;
use gapless::report::{
    Asked, Conditions, Examination, Look, ReplayFacts, Replayed, Source, replay_json,
    replay_markdown, replay_page, replay_text, unknown_allocator,
};

use super::Answer;
use super::shared::costs;
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Progress;
use typed::{Format, Then};

pub(crate) use typed::Typed;

/// Replays what was typed. Files that cannot be read do not keep the others from being told.
pub(crate) fn run(typed: Typed) -> Result<Answer, Vec<Failure>> {
    let order = Order::of(typed).map_err(|failure| vec![failure])?;
    let progress = Progress::new(order.inputs.len(), order.output.is_quiet());
    let mut replays = Vec::new();
    let mut failures = Vec::new();
    for input in &order.inputs {
        progress.say(format!("replaying {}", input.name()));
        match order.replay(input) {
            Ok(replayed) => replays.push(replayed),
            Err(failure) => failures.push(failure),
        }
        progress.step();
    }
    drop(progress);
    if !replays.is_empty()
        && let Err(failure) = order.tell(&replays)
    {
        failures.push(failure);
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let runs = || replays.iter().flat_map(|replayed| &replayed.runs);
    Ok(if runs().all(|run| run.outcome.completed()) { Answer::Yes } else { Answer::No })
}

/// What to replay, and how to tell it.
struct Order {
    inputs: Vec<Input>,
    conditions: Conditions,
    asked: Asked,
    record: Option<Output>,
    format: Format,
    output: Output,
}

impl Order {
    fn of(typed: Typed) -> Result<Self, Failure> {
        if let Some(source) = unknown_allocator(&typed.allocator) {
            return Err(Failure::Allocator { source });
        }
        let output = typed.output.mean();
        let inputs: Vec<Input> = typed.files.into_iter().map(Input::new).collect();
        let record = typed.record.map(Output::to_file);
        let pages = typed.format == Format::Html || record.is_some();
        if typed.format == Format::Html && output.is_terminal() {
            return Err(Failure::PageOnTerminal);
        }
        if pages && 1 < inputs.len() {
            return Err(Failure::OnePageEach { count: inputs.len() });
        }
        for target in [Some(&output), record.as_ref()].into_iter().flatten() {
            target.spare(&inputs)?;
        }
        let conditions = Conditions {
            settings: typed.settings,
            release: typed.framework,
            capacity: typed.capacity,
            outside: typed.outside,
            on_failure: match typed.on_failure {
                Then::Stop => OnFailure::Stop,
                Then::Skip => OnFailure::Skip,
            },
            costs: costs(&typed.costs)?,
        };
        let asked = Asked { device: typed.device, ..Asked::default() };
        Ok(Self { inputs, conditions, asked, record, format: typed.format, output })
    }

    fn replay(&self, input: &Input) -> Result<Replayed, Failure> {
        let (recording, bytes) = input.read()?;
        let path = input.path().display().to_string();
        let recorded = Examination::of(recording, Source { path, bytes }, &self.asked)
            .map_err(|source| Failure::Examine { name: input.name(), source })?;
        let replayed = Replayed::of(recorded, &self.conditions)
            .map_err(|source| Failure::Replay { name: input.name(), source })?;
        if let Some(record) = &self.record {
            let snapshot = write_snapshot(&replayed.recording())
                .map_err(|source| Failure::Record { source })?;
            record.write_all(&snapshot)?;
        }
        Ok(replayed)
    }

    fn tell(&self, replays: &[Replayed]) -> Result<(), Failure> {
        let facts: Vec<ReplayFacts> = replays.iter().map(ReplayFacts::of).collect();
        match self.format {
            Format::Text => {
                let look = Look { width: self.output.width(), verbose: false, hints: true };
                self.output.write_styled(&replay_text(&facts, &look))
            }
            Format::Json => {
                let text = replay_json(&facts).map_err(|source| Failure::Json { source })?;
                self.output.write(&text)
            }
            Format::Markdown => self.output.write(&replay_markdown(&facts)),
            Format::Html => match (replays.first(), facts.first()) {
                (Some(replayed), Some(facts)) => self.output.write(&replay_page(replayed, facts)),
                _ => Ok(()),
            },
        }
    }
}
