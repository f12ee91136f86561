//! `gapless replay`: what a recording would have done under other settings or on another card.

mod typed;

use gapless::formats::write_snapshot;
use gapless::replay::{OnFailure, ReplayedBy};
use gapless::report::{
    Asked, Conditions, Examination, Inputs, Look, ReplayFacts, Replayed, Source, replay_json,
    replay_markdown, replay_page, replay_text,
};

use super::Answer;
use super::shared::costs;
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Progress;
use typed::{Allocator, Format, Then};

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
        let by = allocator(&typed)?;
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
            by,
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
                let inputs = Inputs::of(self.inputs.len());
                let text =
                    replay_json(&facts, inputs).map_err(|source| Failure::Json { source })?;
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

/// Whose allocator was typed. Settings of the other one are refused.
fn allocator(typed: &Typed) -> Result<ReplayedBy, Failure> {
    let ours = typed.ours.given();
    let refused = |flags, allocator| Err(Failure::NotOfThisAllocator { flags, allocator });
    match typed.allocator {
        Allocator::Caching if ours.is_some() => refused("`--slack` and `--page`", "gapless"),
        Allocator::Caching => Ok(ReplayedBy::PyTorch),
        Allocator::Gapless if typed.settings.is_some() => refused("`--settings`", "caching"),
        Allocator::Gapless if typed.framework.is_some() => refused("`--framework`", "caching"),
        Allocator::Gapless => Ok(ReplayedBy::Gapless(ours.unwrap_or_default())),
    }
}
