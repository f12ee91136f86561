//! The runs of a recording's devices under given conditions.

use gapless_device::Costs;
use gapless_diagnose::{Diagnosis, Question};
use gapless_replay::{Check, Life, OnFailure, Outcome, Program, ReplayError, Setup, Start, live};
use gapless_trace::{
    DeviceRecording, FinalSegment, Format, RebuildError, Recording, Release, Settings, Trace,
};
use gapless_units::{Bytes, DeviceId};

use crate::examination::{Examination, Examined};

/// The allocators that a recording can be replayed through.
pub const ALLOCATORS: [&str; 1] = ["caching"];

/// Under what a recording is replayed; what is not given comes from the recording.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The settings.
    pub settings: Option<Settings>,
    /// The release.
    pub release: Option<Release>,
    /// The card's memory; without a limit where not given.
    pub capacity: Option<Bytes>,
    /// What of it the allocator cannot have.
    pub outside: Option<Bytes>,
    /// Whether a failure ends the run.
    pub on_failure: OnFailure,
    /// What the device's calls take.
    pub costs: Costs,
}

/// Where a condition came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was given.
    Given,
    /// The recording tells it.
    Recorded,
    /// The recording leaves several; this one gives most of it back.
    Inferred,
    /// The recording does not tell; this is the usual.
    Usual,
}

impl Origin {
    /// A stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Recorded => "recorded",
            Self::Inferred => "inferred",
            Self::Usual => "usual",
        }
    }
}

/// A device's recording, replayed.
#[derive(Clone, Debug)]
pub struct ReplayedRun {
    /// The device's place in the examination.
    pub place: usize,
    /// Under what it was replayed.
    pub setup: Setup,
    /// Where the settings came from.
    pub settings_from: Origin,
    /// Where the release came from.
    pub release_from: Origin,
    /// Where the size of what is outside came from.
    pub outside_from: Origin,
    /// How well the recording comes back under its own settings; nothing for a list of
    /// operations, which does not tell where anything went.
    pub check: Option<Check>,
    /// Whether the run began with the recorded state rather than with an empty allocator.
    pub warm: bool,
    /// How many operations there were to replay.
    pub operations: usize,
    /// How many came before the first of the recording.
    pub prelude: usize,
    /// The bytes alive at most, after rounding by the settings.
    pub live_peak: Bytes,
    /// What became of it.
    pub outcome: Outcome,
    /// What the allocator recorded of itself.
    pub life_recording: DeviceRecording,
    /// The allocator's own life, explained.
    pub life: Examined,
}

impl ReplayedRun {
    /// The segments at the end.
    pub fn segments(&self) -> &[FinalSegment] {
        self.life_recording.end.as_deref().unwrap_or_default()
    }

    /// The bytes the card must have for what is alive alone, where the capacity is less.
    pub fn lacks_for_live(&self) -> Option<Bytes> {
        let needed = self.live_peak + self.setup.outside;
        self.setup.capacity.filter(|&capacity| capacity < needed).map(|_| needed)
    }

    /// What was left of the card at the narrowest, where it has a limit.
    pub fn headroom(&self) -> Option<Bytes> {
        let capacity = self.setup.capacity?;
        Some(capacity.saturating_sub(self.setup.outside).saturating_sub(self.outcome.peak.reserved))
    }
}

/// A recording, replayed.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The recording, explained.
    pub recorded: Examination,
    /// Its devices, replayed.
    pub runs: Vec<ReplayedRun>,
}

/// Why a recording cannot be replayed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreplayable {
    /// The replay broke off.
    #[error("device {device} cannot be replayed")]
    Replay {
        /// The device.
        device: DeviceId,
        /// Why.
        source: ReplayError,
    },
    /// The replay's own record makes no sense.
    #[error("what the replay of device {device} recorded cannot be explained")]
    Life {
        /// The device.
        device: DeviceId,
        /// Why.
        source: RebuildError,
    },
    /// An allocator that is not known.
    #[error("there is no allocator `{name}`; there is {}", ALLOCATORS.join(", "))]
    NoSuchAllocator {
        /// Its name.
        name: String,
    },
}

/// Refuses the name of an allocator that does not exist.
pub fn unknown_allocator(name: &str) -> Option<Unreplayable> {
    let known = ALLOCATORS.contains(&name);
    (!known).then(|| Unreplayable::NoSuchAllocator { name: name.to_owned() })
}

impl Replayed {
    /// What the replayed allocators would have recorded of themselves.
    pub fn recording(&self) -> Recording {
        Recording {
            format: Format::SnapshotPickle,
            // What is replayed is PyTorch's allocator, whoever recorded the program.
            framework: self.recorded.framework.clone().filter(|it| !it.is_gapless()),
            devices: self.runs.iter().map(|run| run.life_recording.clone()).collect(),
            pinned_host: None,
            stacks: self.recorded.stacks.clone(),
            notes: Vec::new(),
        }
    }

    /// Replays every device of an examined recording.
    pub fn of(recorded: Examination, conditions: &Conditions) -> Result<Self, Unreplayable> {
        let places = 0..recorded.devices.len();
        let runs: Result<_, _> = places.map(|place| replay(&recorded, place, conditions)).collect();
        let runs = runs?;
        Ok(Self { recorded, runs })
    }
}

fn replay(
    recorded: &Examination,
    place: usize,
    conditions: &Conditions,
) -> Result<ReplayedRun, Unreplayable> {
    let trace = &recorded.devices[place].trace;
    let device = trace.device;
    let failed = |source| Unreplayable::Replay { device, source };
    let program = Program::of(trace);
    let own = recorded.settings(trace).cloned();
    let check = recorded.check(place).map_err(failed)?;
    let (settings, settings_from) = match (&conditions.settings, &own) {
        (Some(given), _) => (given.clone(), Origin::Given),
        (None, Some(own)) => (own.clone(), Origin::Recorded),
        (None, None) => (Settings::default(), Origin::Usual),
    };
    let (release, release_from) = match (conditions.release, &check) {
        (Some(given), _) => (given, Origin::Given),
        (None, Some(check)) => (check.release, Origin::Inferred),
        (None, None) => (gapless_replay::NEWEST_RELEASE, Origin::Usual),
    };
    let (outside, outside_from) = match conditions.outside {
        Some(given) => (given, Origin::Given),
        None => (Setup::USUAL_OUTSIDE, Origin::Usual),
    };
    let setup = Setup {
        release,
        capacity: conditions.capacity,
        outside,
        on_failure: conditions.on_failure,
        costs: conditions.costs.clone(),
        ..Setup::new(settings)
    };
    let own = own.unwrap_or_default();
    let same = behaves_alike(&setup.settings, &own);
    let warm = same && check.is_some() && 0 < program.older;
    let (program, start) = match &check {
        Some(check) if same => (program, check.start.clone()),
        Some(_) | None => (program.begun_anew(), Start::empty()),
    };
    let Life { outcome, recording } = live(trace, &program, &start, &setup).map_err(failed)?;
    let life = explained(recorded, recording.clone(), setup.capacity)
        .map_err(|source| Unreplayable::Life { device, source })?;
    let rules = gapless_trace::SizeRules::new(&setup.settings);
    Ok(ReplayedRun {
        place,
        settings_from,
        release_from,
        outside_from,
        check,
        warm,
        operations: program.operations.len() - program.prelude(),
        prelude: program.prelude(),
        live_peak: program.live_peak(|size| rules.round(size)),
        outcome,
        life_recording: recording,
        life,
        setup,
    })
}

/// What an allocator recorded of itself, explained.
fn explained(
    recorded: &Examination,
    recording: DeviceRecording,
    capacity: Option<Bytes>,
) -> Result<Examined, RebuildError> {
    let trace = Trace::rebuild(recording)?;
    let question = Question { capacity, ..Question::default() };
    let diagnosis = Diagnosis::of(&trace, &recorded.stacks, &recorded.sites, &question);
    Ok(Examined { trace, diagnosis })
}

/// Whether two settings say the same about device memory, however they are written.
fn behaves_alike(one: &Settings, other: &Settings) -> bool {
    let bare = |settings: &Settings| Settings {
        text: String::new(),
        others: std::collections::BTreeMap::new(),
        ..settings.clone()
    };
    bare(one) == bare(other)
}
