//! `gapless advise`: which setting to change.

mod typed;

use gapless::diagnose::advice::NoHelp;
use gapless::replay::ReplayError;
use gapless::report::{
    AdviceFacts, Advised, AdvisedDevice, Asked, Examination, Inputs, Look, Source, advice_json,
    advice_markdown, advice_page, advice_text,
};

use super::Answer;
use super::shared::{costs, may_write};
use super::sweeping::{Wishes, carry_out, prepare};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
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
    wishes: Wishes,
    format: Format,
    output: Output,
}

impl Order {
    fn of(typed: Typed) -> Result<Self, Failure> {
        let output = typed.output.mean();
        let inputs: Vec<Input> = typed.files.into_iter().map(Input::new).collect();
        may_write(typed.format == Format::Html, &output, &inputs)?;
        Ok(Self {
            inputs,
            asked: Asked { device: typed.device, ..Asked::default() },
            wishes: Wishes {
                settings: typed.settings,
                release: typed.framework,
                capacity: typed.capacity,
                outside: typed.outside,
                request: typed.request,
                costs: costs(&typed.costs)?,
            },
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
        let (check, sweep) = prepare(recorded, place, &self.wishes)?;
        let advice = carry_out(&sweep, Some(name), self.output.is_quiet())?;
        Ok(AdvisedDevice::new(recorded, place, check, sweep, advice))
    }

    fn tell(&self, advised: &[Advised]) -> Result<(), Failure> {
        let facts: Vec<AdviceFacts> = advised.iter().map(AdviceFacts::of).collect();
        match self.format {
            Format::Text => {
                let look = Look { width: self.output.width(), verbose: false, hints: true };
                self.output.write_styled(&advice_text(&facts, &look))
            }
            Format::Json => {
                let inputs = Inputs::of(self.inputs.len());
                let text =
                    advice_json(&facts, inputs).map_err(|source| Failure::Json { source })?;
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
