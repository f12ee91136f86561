//! A recording with the advice on each of its devices.

use gapless_diagnose::advice::{Advice, Sweep};
use gapless_diagnose::{Diagnosis, Question};
use gapless_replay::{Check, ReplayedBy, Start, live};
use gapless_trace::Trace;

use crate::examination::{Examination, Examined};

/// The advice on one device.
#[derive(Clone, Debug)]
pub struct AdvisedDevice {
    /// The device's place in the examination.
    pub place: usize,
    /// How well the recording comes back under its own settings.
    pub check: Option<Check>,
    /// What was tried.
    pub sweep: Sweep,
    /// What came of it.
    pub advice: Advice,
    /// The run under the current settings, explained.
    pub now: Option<Examined>,
    /// The prescribed run.
    pub prescribed: Option<Trace>,
}

impl AdvisedDevice {
    /// Adds the runs that the reports show to a sweep and what came of it.
    pub fn new(
        recorded: &Examination,
        place: usize,
        check: Option<Check>,
        sweep: Sweep,
        advice: Advice,
    ) -> Self {
        let trace = &recorded.devices[place].trace;
        let run = |candidate: usize| {
            let setup = sweep.setup(candidate, sweep.terms.capacity);
            // A run that was tried before does not break off now.
            let life =
                live(trace, sweep.program(), &Start::empty(), ReplayedBy::PyTorch, &setup).ok()?;
            Trace::rebuild(life.recording).ok()
        };
        let now = run(0).map(|trace| {
            let question = Question { capacity: sweep.terms.capacity, ..Question::default() };
            let diagnosis = Diagnosis::of(&trace, &recorded.stacks, &recorded.sites, &question);
            Examined { trace, diagnosis }
        });
        let prescription = advice.prescription.as_ref().ok();
        let prescribed = prescription.and_then(|found| run(found.trial.place));
        Self { place, check, sweep, advice, now, prescribed }
    }
}

/// A recording with its advice.
#[derive(Clone, Debug)]
pub struct Advised {
    /// The recording, explained.
    pub recorded: Examination,
    /// The advice on its devices.
    pub devices: Vec<AdvisedDevice>,
}
