//! What is told of advice, as JSON of the schema [`ADVICE_SCHEMA`].

use gapless_device::Card;
use gapless_diagnose::advice::{Capacities, Conflict, Goal, NoHelp, Prescription, Trial};
use gapless_units::Bytes;
use serde::Serialize;

use super::advised::{Advised, AdvisedDevice};
use super::replacement::ReplacementFacts;
use crate::examination::Examination;
use crate::facts::{DeviceFacts, RansomFacts, RecordingFacts, TotalsFacts};
use crate::replay::FidelityFacts;

/// The name and number of the schema.
pub const ADVICE_SCHEMA: &str = "gapless.advise/1";

/// Everything gapless advises on a recording.
#[derive(Clone, Debug, Serialize)]
pub struct AdviceFacts {
    /// [`ADVICE_SCHEMA`].
    pub schema: &'static str,
    /// The file.
    pub recording: RecordingFacts,
    /// Its devices.
    pub devices: Vec<DeviceAdviceFacts>,
}

/// The advice on one device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceAdviceFacts {
    /// The device.
    pub device: u32,
    /// What a change was to bring: `fit` or `save`.
    pub goal: &'static str,
    /// The card's memory; null where not known.
    pub capacity_bytes: Option<u64>,
    /// Where it is from: `given`, or `recorded` where a recorded failure tells it; null where not
    /// known.
    pub capacity_from: Option<&'static str>,
    /// What of it the allocator cannot have.
    pub outside_bytes: u64,
    /// What is alive at most under the current settings.
    pub live_peak_bytes: u64,
    /// Whether the recording began on a warm allocator, which every run here begins anew.
    pub begun_anew: bool,
    /// The current settings.
    pub current: TrialFacts,
    /// The change to make; null where none helps.
    pub prescription: Option<PrescriptionFacts>,
    /// Why none helps; null where one does.
    pub reason: Option<NoHelpFacts>,
    /// How many runs the sweep took, searches for the smallest card not counted.
    pub runs: usize,
    /// What was tried, the best first.
    pub tried: Vec<TrialFacts>,
    /// The smallest cards, the smallest first.
    pub cards: Vec<CardFacts>,
    /// Another allocator in the place of PyTorch's; null where that was not tried.
    pub replacement: Option<ReplacementFacts>,
    /// The preset that modelled times are by.
    pub cost_preset: String,
    /// How well the recording comes back under its own settings; null where it cannot be checked.
    pub fidelity: Option<FidelityFacts>,
    /// The run under the current settings, for the formats that show it.
    #[serde(skip)]
    pub now: Option<DeviceFacts>,
}

/// A change worth making.
#[derive(Clone, Debug, Serialize)]
pub struct PrescriptionFacts {
    /// What was tried of it.
    #[serde(flatten)]
    pub trial: TrialFacts,
    /// The line to paste.
    pub line: String,
    /// What to know before.
    pub notes: Vec<ConflictFacts>,
}

/// Something to know before a setting is used.
#[derive(Clone, Debug, Serialize)]
pub struct ConflictFacts {
    /// A stable name.
    pub code: String,
    /// The setting.
    pub key: String,
    /// The sentence.
    pub text: String,
}

/// Settings that were tried.
#[derive(Clone, Debug, Serialize)]
pub struct TrialFacts {
    /// The settings, as PyTorch reads them.
    pub settings: String,
    /// The release.
    pub framework: String,
    /// The keys that differ from the current settings.
    pub changed: Vec<&'static str>,
    /// Those of them that are in force now and would not be.
    pub dropped: Vec<&'static str>,
    /// Whether every request was met.
    pub completed: bool,
    /// The first operation that failed.
    pub failed_operation: Option<usize>,
    /// The most of each sum.
    pub peak: TotalsFacts,
    /// The same, of reserved bytes alone.
    pub peak_reserved_bytes: u64,
    /// What is alive at most, rounded as these settings say.
    pub live_peak_bytes: u64,
    /// What of the card was left at the narrowest; null where the card is not known.
    pub headroom_bytes: Option<u64>,
    /// What it reserves less at its peak than the current settings; negative where more.
    pub saved_bytes: Option<i64>,
    /// How often the whole cache was given back to make room.
    pub retries: u64,
    /// Calls of the device: memory taken and given back, created, mapped, made accessible, unmapped and
    /// released, and addresses reserved.
    pub device_calls: u64,
    /// What they take by the cost preset.
    pub modelled_us: f64,
    /// The smallest card, where that was searched.
    pub smallest_capacity_bytes: Option<u64>,
    /// The share of that card within reach that is not alive at the peak.
    pub waste_at_capacity: Option<f64>,
    /// The codes of what to know before.
    pub conflicts: Vec<String>,
}

/// The smallest card for some settings.
#[derive(Clone, Debug, Serialize)]
pub struct CardFacts {
    /// The settings.
    pub settings: String,
    /// The release.
    pub framework: String,
    /// The smallest memory found on which the program completes.
    pub smallest_capacity_bytes: u64,
    /// Whether a larger one was met on which it does not.
    pub has_gaps: bool,
    /// The share within reach that is not alive at the peak.
    pub waste_at_capacity: f64,
    /// The smallest cards of the catalog with at least that memory.
    pub cards: Vec<String>,
}

/// Why nothing is prescribed.
#[derive(Clone, Debug, Serialize)]
pub struct NoHelpFacts {
    /// `live_alone`, `every_setting` or `nothing_to_save`.
    pub kind: &'static str,
    /// By how much the card is too small, or what the best setting saves.
    pub bytes: Option<u64>,
    /// The cheapest blocks whose release would serve the request that fails now.
    pub ransom: Option<RansomFacts>,
}

impl AdviceFacts {
    /// The facts of advice.
    pub fn of(advised: &Advised) -> Self {
        let devices = advised.devices.iter();
        Self {
            schema: ADVICE_SCHEMA,
            recording: RecordingFacts::of(&advised.recorded),
            devices: devices
                .map(|device| DeviceAdviceFacts::of(device, &advised.recorded))
                .collect(),
        }
    }
}

impl DeviceAdviceFacts {
    /// The facts of the advice on one device.
    pub fn of(device: &AdvisedDevice, recorded: &Examination) -> Self {
        let AdvisedDevice { sweep, advice, check, .. } = device;
        let trace = &recorded.devices[device.place].trace;
        let terms = &sweep.terms;
        let told = |trial: &Trial| TrialFacts::of(trial, device);
        let current = advice.trials.iter().find(|trial| trial.place == 0);
        let now = device.now.as_ref().map(|now| DeviceFacts::of(recorded, now));
        let ransom = now.as_ref().and_then(|now| now.ransom.clone());
        Self {
            device: trace.device.0,
            goal: match advice.goal {
                Goal::Fit => "fit",
                Goal::Save => "save",
            },
            capacity_bytes: terms.capacity.map(Bytes::get),
            capacity_from: terms
                .capacity
                .map(|_| if sweep.inferred { "recorded" } else { "given" }),
            outside_bytes: terms.outside.get(),
            live_peak_bytes: current.map_or(0, |trial| trial.live_peak.get()),
            begun_anew: 0 < sweep.program().prelude(),
            current: current.map_or_else(TrialFacts::default, told),
            prescription: advice
                .prescription
                .as_ref()
                .ok()
                .map(|p| PrescriptionFacts::of(p, device)),
            reason: advice.prescription.as_ref().err().map(|why| NoHelpFacts::of(*why, ransom)),
            runs: advice.trials.len(),
            tried: advice.trials.iter().map(told).collect(),
            cards: advice.capacities.iter().map(|found| CardFacts::of(found, device)).collect(),
            replacement: advice
                .replacement
                .as_ref()
                .map(|replacement| ReplacementFacts::of(replacement, device)),
            cost_preset: terms.costs.name.clone(),
            fidelity: check
                .as_ref()
                .map(|check| FidelityFacts::of(&check.fidelity, check.release.to_string())),
            now,
        }
    }
}

impl Default for TrialFacts {
    /// What is told where the current settings could not be tried.
    fn default() -> Self {
        Self {
            settings: String::new(),
            framework: String::new(),
            changed: Vec::new(),
            dropped: Vec::new(),
            completed: false,
            failed_operation: None,
            peak: gapless_trace::Totals::default().into(),
            peak_reserved_bytes: 0,
            live_peak_bytes: 0,
            headroom_bytes: None,
            saved_bytes: None,
            retries: 0,
            device_calls: 0,
            modelled_us: 0.0,
            smallest_capacity_bytes: None,
            waste_at_capacity: None,
            conflicts: Vec::new(),
        }
    }
}

impl TrialFacts {
    fn of(trial: &Trial, device: &AdvisedDevice) -> Self {
        let AdvisedDevice { sweep, advice, .. } = device;
        let candidate = &sweep.candidates[trial.place];
        let Trial { outcome, .. } = trial;
        let now = advice.trials.iter().find(|other| other.place == 0);
        let reserved = outcome.peak.reserved;
        let saved = now.filter(|now| now.outcome.completed() && outcome.completed());
        let saved = saved.map(|now| signed(now.outcome.peak.reserved) - signed(reserved));
        let found = advice.capacities.iter().find(|found| found.place == trial.place);
        let reach = sweep
            .terms
            .capacity
            .map(|capacity| capacity.saturating_sub(sweep.terms.outside).saturating_sub(reserved));
        Self {
            settings: candidate.settings.to_text(),
            framework: candidate.release.to_string(),
            changed: candidate.changed.clone(),
            dropped: candidate.dropped.clone(),
            completed: outcome.completed(),
            failed_operation: outcome
                .failures
                .first()
                .map(|failure| failure.operation.saturating_sub(sweep.program().prelude())),
            peak: outcome.peak.into(),
            peak_reserved_bytes: reserved.get(),
            live_peak_bytes: trial.live_peak.get(),
            headroom_bytes: reach.filter(|_| outcome.completed()).map(Bytes::get),
            saved_bytes: saved,
            retries: outcome.statistics.num_alloc_retries,
            device_calls: outcome.calls.total(),
            modelled_us: outcome.modelled_nanos as f64 / 1e3,
            smallest_capacity_bytes: found.map(|found| found.smallest.capacity.get()),
            waste_at_capacity: found.map(|found| found.waste),
            conflicts: Conflict::of(candidate).into_iter().map(|conflict| conflict.code).collect(),
        }
    }
}

fn signed(bytes: Bytes) -> i64 {
    i64::try_from(bytes.get()).unwrap_or(i64::MAX)
}

impl PrescriptionFacts {
    fn of(prescription: &Prescription, device: &AdvisedDevice) -> Self {
        let candidate = &prescription.candidate;
        let line = match candidate.settings.to_text() {
            text if text.is_empty() => "unset PYTORCH_CUDA_ALLOC_CONF".to_owned(),
            text => format!("PYTORCH_CUDA_ALLOC_CONF={text}"),
        };
        let notes = prescription.conflicts.iter().map(|conflict| ConflictFacts {
            code: conflict.code.clone(),
            key: conflict.key.clone(),
            text: conflict.text.clone(),
        });
        Self { trial: TrialFacts::of(&prescription.trial, device), line, notes: notes.collect() }
    }
}

impl CardFacts {
    fn of(found: &Capacities, device: &AdvisedDevice) -> Self {
        const MOST: usize = 3;
        let capacity = found.smallest.capacity;
        let candidate = &device.sweep.candidates[found.place];
        let large = Card::catalog().into_iter().filter(|card| capacity <= card.memory);
        Self {
            settings: candidate.settings.to_text(),
            framework: candidate.release.to_string(),
            smallest_capacity_bytes: capacity.get(),
            has_gaps: found.smallest.has_gaps,
            waste_at_capacity: found.waste,
            cards: large.take(MOST).map(|card| card.name).collect(),
        }
    }
}

impl NoHelpFacts {
    fn of(why: NoHelp, ransom: Option<RansomFacts>) -> Self {
        let (kind, bytes) = match why {
            NoHelp::LiveAlone { missing } => ("live_alone", Some(missing)),
            NoHelp::EverySetting { missing } => ("every_setting", missing),
            NoHelp::NothingToSave { best } => ("nothing_to_save", Some(best)),
        };
        // Where what is alive alone is too much, no blocks of one instant would help for long.
        let ransom = ransom.filter(|_| kind == "every_setting");
        Self { kind, bytes: bytes.map(Bytes::get), ransom }
    }
}
