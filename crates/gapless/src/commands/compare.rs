//! `gapless compare`: one recording through several allocators.

mod typed;

use std::collections::BTreeSet;

use gapless::device::Costs;
use gapless::replay::{Comparison, Contender, ReplayError, compare};
use gapless::report::{
    Asked, Compared, ComparedDevice, ComparisonFacts, Examination, Inputs, Look, Source,
    comparison_json, comparison_markdown, comparison_page, comparison_text,
};

use super::Answer;
use super::parallel::answers;
use super::shared::{costs, may_write};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::Output;
use crate::progress::Progress;
use typed::Format;

pub(crate) use typed::Typed;

/// Compares on what was typed. Files that cannot be read do not keep the others from being told, nor do
/// allocators that fail on one.
pub(crate) fn run(typed: Typed) -> Result<Answer, Vec<Failure>> {
    let order = Order::of(typed).map_err(|failure| vec![failure])?;
    let mut facts = Vec::new();
    let mut failures = Vec::new();
    for input in &order.inputs {
        match order.compare(input) {
            Ok((compared, unable)) => {
                facts.extend(ComparisonFacts::of(&compared));
                failures.extend(unable);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if !facts.is_empty()
        && let Err(failure) = order.tell(&facts)
    {
        failures.push(failure);
    }
    if failures.is_empty() { Ok(Answer::Yes) } else { Err(failures) }
}

/// What to compare, and how to tell it.
struct Order {
    inputs: Vec<Input>,
    asked: Asked,
    contenders: Vec<Contender>,
    costs: Costs,
    format: Format,
    output: Output,
}

impl Order {
    fn of(typed: Typed) -> Result<Self, Failure> {
        let output = typed.output.mean();
        let inputs: Vec<Input> = typed.files.into_iter().map(Input::new).collect();
        may_write(typed.format == Format::Html, &output, &inputs)?;
        let mut contenders = match typed.allocators {
            contenders if contenders.is_empty() => Contender::catalog(),
            contenders => contenders,
        };
        let mut named = BTreeSet::new();
        contenders.retain(|it| named.insert(it.name));
        if let Some(settings) = typed.ours.given() {
            let ours = Contender::gapless(settings);
            let mut usual = contenders.iter_mut().filter(|it| it.name == ours.name).peekable();
            if usual.peek().is_none() {
                return Err(Failure::NothingToSet);
            }
            usual.for_each(|usual| usual.clone_from(&ours));
        }
        Ok(Self {
            inputs,
            asked: Asked { device: typed.device, ..Asked::default() },
            contenders,
            costs: costs(&typed.costs)?,
            format: typed.format,
            output,
        })
    }

    /// The comparison on a recording, and which allocators fail on it: not all of them.
    fn compare(&self, input: &Input) -> Result<(Compared, Vec<Failure>), Failure> {
        let (recording, bytes) = input.read()?;
        let path = input.path().display().to_string();
        let recorded = Examination::of(recording, Source { path, bytes }, &self.asked)
            .map_err(|source| Failure::Examine { name: input.name(), source })?;
        let places = 0..recorded.devices.len();
        let broken = |source| Failure::Compare { name: input.name(), source };
        let devices: Result<Vec<_>, _> =
            places.map(|place| ComparedDevice::of(&recorded, place)).collect();
        let mut devices = devices.map_err(broken)?;
        let count = devices.len() * self.contenders.len();
        let progress = Progress::new(count, self.output.is_quiet());
        progress.say(format!("comparing allocators on {}", input.name()));
        let work = |index: usize| -> Result<Comparison, ReplayError> {
            let device = &devices[index / self.contenders.len()];
            let contender = &self.contenders[index % self.contenders.len()];
            let last_iteration = device.iterations.last().map(|last| &last.operations);
            compare(&device.program, contender, &self.costs, last_iteration)
        };
        let done = || progress.step();
        let mut answers = answers(count, work, done).into_iter();
        let mut unable = Vec::new();
        for device in &mut devices {
            for (contender, answer) in self.contenders.iter().zip(answers.by_ref()) {
                match answer {
                    Ok(comparison) => device.comparisons.push(comparison),
                    Err(source) => unable.push((contender.name, device.device, source)),
                }
            }
        }
        devices.retain(|device| !device.comparisons.is_empty());
        let fails = |(allocator, device, source)| Failure::CompareOne {
            allocator,
            name: input.name(),
            device,
            source,
        };
        let mut unable: Vec<Failure> = unable.into_iter().map(fails).collect();
        if devices.is_empty()
            && let Some(failure) = unable.pop()
        {
            return Err(failure);
        }
        Ok((Compared { recorded, costs: self.costs.clone(), devices }, unable))
    }

    fn tell(&self, facts: &[ComparisonFacts]) -> Result<(), Failure> {
        match self.format {
            Format::Text => {
                let look = Look { width: self.output.width(), verbose: false, hints: true };
                self.output.write_styled(&comparison_text(facts, &look))
            }
            Format::Json => {
                let inputs = Inputs::of(self.inputs.len());
                let text =
                    comparison_json(facts, inputs).map_err(|source| Failure::Json { source })?;
                self.output.write(&text)
            }
            Format::Markdown => self.output.write(&comparison_markdown(facts)),
            Format::Html => self.output.write(&comparison_page(facts)),
        }
    }
}
