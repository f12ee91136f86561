//! `gapless advise`: which setting to change.

mod parallel;
mod typed;

use gapless::diagnose::advice::{Capacities, NoHelp, Sweep, Terms, Trial};
use gapless::replay::{Check, NEWEST_RELEASE, Program, ReplayError, Setup};
use gapless::report::{
    AdviceFacts, Advised, AdvisedDevice, Asked, Examination, Look, Source, advice_json,
    advice_markdown, advice_page, advice_text,
};
use gapless::trace::{Release, Settings};
use gapless::units::Bytes;

use super::Answer;
use super::shared::costs;
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Progress;
use parallel::answers;
use typed::Format;

pub(crate) use typed::Typed;

/// Advises on what was typed. Files that cannot be read do not keep the others from being told.
pub(crate) fn run(typed: Typed) -> Result<Answer, Vec<Failure>> {
    let order = Order::of(typed).map_err(|failure| vec![failure])?;
    let mut advised = Vec::new();
    let mut failures = Vec::new();
    for input in &order.inputs {
        match order.advise(input) {
            Ok(advice) => advised.push(advice),
            Err(failure) => failures.push(failure),
        }
    }
    if !advised.is_empty()
        && let Err(failure) = order.tell(&advised)
    {
        failures.push(failure);
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let mut devices = advised.iter().flat_map(|advised| &advised.devices);
    let helpless = |device: &AdvisedDevice| {
        let why = device.advice.prescription.as_ref().err();
        why.is_some_and(|why| !matches!(why, NoHelp::NothingToSave { .. }))
    };
    Ok(if devices.any(helpless) { Answer::No } else { Answer::Yes })
}

/// What to advise on, and how to tell it.
struct Order {
    inputs: Vec<Input>,
    asked: Asked,
    settings: Option<Settings>,
    release: Option<Release>,
    capacity: Option<Bytes>,
    outside: Bytes,
    request: Option<Bytes>,
    costs: gapless::device::Costs,
    format: Format,
    output: Output,
}

impl Order {
    fn of(typed: Typed) -> Result<Self, Failure> {
        let output = typed.output.mean();
        let inputs: Vec<Input> = typed.files.into_iter().map(Input::new).collect();
        if typed.format == Format::Html && output.is_terminal() {
            return Err(Failure::PageOnTerminal);
        }
        if typed.format == Format::Html && 1 < inputs.len() {
            return Err(Failure::OnePageEach { count: inputs.len() });
        }
        output.spare(&inputs)?;
        Ok(Self {
            inputs,
            asked: Asked { device: typed.device, ..Asked::default() },
            settings: typed.settings,
            release: typed.framework,
            capacity: typed.capacity,
            outside: typed.outside.unwrap_or(Setup::USUAL_OUTSIDE),
            request: typed.request,
            costs: costs(&typed.costs)?,
            format: typed.format,
            output,
        })
    }

    fn advise(&self, input: &Input) -> Result<Advised, Failure> {
        let (recording, bytes) = input.read()?;
        let path = input.path().display().to_string();
        let recorded = Examination::of(recording, Source { path, bytes }, &self.asked)
            .map_err(|source| Failure::Examine { name: input.name(), source })?;
        let broken = |source| Failure::Sweep { name: input.name(), source };
        let devices: Result<Vec<_>, _> = (0..recorded.devices.len())
            .map(|place| self.advise_on(&recorded, place, &input.name()))
            .collect();
        Ok(Advised { devices: devices.map_err(broken)?, recorded })
    }

    fn advise_on(
        &self,
        recorded: &Examination,
        place: usize,
        name: &str,
    ) -> Result<AdvisedDevice, ReplayError> {
        let trace = &recorded.devices[place].trace;
        let own = trace.settings.clone().unwrap_or_default();
        let check = if trace.is_placed() && trace.is_consistent() {
            let program = Program::of(trace);
            Some(Check::of(trace, &program, &own, recorded.framework.as_ref())?)
        } else {
            None
        };
        let checked = check.as_ref().map_or(NEWEST_RELEASE, |check| check.release);
        let terms = Terms {
            settings: self.settings.clone().unwrap_or(own),
            release: self.release.unwrap_or(checked),
            capacity: self.capacity,
            outside: self.outside,
            costs: self.costs.clone(),
            request: self.request,
        };
        let sweep = Sweep::new(trace, terms);
        let (trials, capacities) = self.carry_out(&sweep, name)?;
        let advice = sweep.conclude(trials, capacities);
        Ok(AdvisedDevice::new(recorded, place, check, sweep, advice))
    }

    /// Tries all candidates, then searches the smallest cards of the best.
    fn carry_out(
        &self,
        sweep: &Sweep,
        name: &str,
    ) -> Result<(Vec<Trial>, Vec<Capacities>), ReplayError> {
        let count = sweep.candidates.len();
        let progress = Progress::new(count, self.output.is_quiet());
        progress.say(format!("replaying {name} under other settings"));
        let trials = answers(count, |place| sweep.try_one(place), || progress.step());
        // A setting that asks the impossible of the device is no candidate; the current one is.
        let mut tried = Vec::with_capacity(count);
        for (place, trial) in trials.into_iter().enumerate() {
            match trial {
                Ok(trial) => tried.push(trial),
                Err(error) if place == 0 => return Err(error),
                Err(_) => {}
            }
        }
        drop(progress);
        let finalists = sweep.finalists(&tried);
        let progress = Progress::new(finalists.len(), self.output.is_quiet());
        progress.say("searching the smallest cards".to_owned());
        let search = |index: usize| sweep.capacity_of(finalists[index]);
        let found = answers(finalists.len(), search, || progress.step());
        Ok((tried, found.into_iter().filter_map(Result::ok).collect()))
    }

    fn tell(&self, advised: &[Advised]) -> Result<(), Failure> {
        let facts: Vec<AdviceFacts> = advised.iter().map(AdviceFacts::of).collect();
        match self.format {
            Format::Text => {
                let look = Look { width: self.output.width(), verbose: false };
                self.output.write_styled(&advice_text(&facts, &look))
            }
            Format::Json => {
                let text = advice_json(&facts).map_err(|source| Failure::Json { source })?;
                self.output.write(&text)
            }
            Format::Markdown => self.output.write(&advice_markdown(&facts)),
            Format::Html => match (advised.first(), facts.first()) {
                (Some(advised), Some(facts)) => self.output.write(&advice_page(advised, facts)),
                _ => Ok(()),
            },
        }
    }
}
