//! The runs of a recording's devices under given conditions.

use gapless_device::Costs;
use gapless_diagnose::{Diagnosis, Question};
use gapless_replay::{
    Check, GaplessSettings, Life, OnFailure, Outcome, Program, ReplayError, ReplayedBy, Setup,
    Start, live,
};
use gapless_trace::{
    DeviceRecording, FinalSegment, Format, Framework, RebuildError, Recording, Release, Settings,
    SizeRules, Trace,
};
use gapless_units::{Bytes, DeviceId};

use crate::examination::{Examination, Examined};

/// Under what a recording is replayed; what is not given comes from the recording.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Through whose allocator.
    pub by: ReplayedBy,
    /// The settings of PyTorch's.
    pub settings: Option<Settings>,
    /// The release of PyTorch.
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

impl Conditions {
    /// The settings of PyTorch's allocator; where our own is asked for, where its settings came from.
    fn settings(&self, own: Option<&Settings>) -> (Settings, Origin) {
        match (self.by, &self.settings, own) {
            (ReplayedBy::Gapless(ours), ..) if ours == GaplessSettings::default() => {
                (Settings::default(), Origin::Usual)
            }
            (ReplayedBy::Gapless(_), ..) => (Settings::default(), Origin::Given),
            (ReplayedBy::PyTorch, Some(given), _) => (given.clone(), Origin::Given),
            (ReplayedBy::PyTorch, None, Some(own)) => (own.clone(), Origin::Recorded),
            (ReplayedBy::PyTorch, None, None) => (Settings::default(), Origin::Usual),
        }
    }

    fn release(&self, check: Option<&Check>) -> (Release, Origin) {
        match (self.release, check) {
            (Some(given), _) => (given, Origin::Given),
            (None, Some(check)) => (check.release, Origin::Inferred),
            (None, None) => (gapless_replay::NEWEST_RELEASE, Origin::Usual),
        }
    }

    fn outside(&self) -> (Bytes, Origin) {
        match self.outside {
            Some(given) => (given, Origin::Given),
            None => (Setup::USUAL_OUTSIDE, Origin::Usual),
        }
    }
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
    /// Through whose allocator.
    pub by: ReplayedBy,
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
    /// What the recorded state reserves that the run would have begun with, had the card so much.
    pub too_large_to_begin: Option<Bytes>,
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
}

impl Replayed {
    /// What the replayed allocators would have recorded of themselves.
    pub fn recording(&self) -> Recording {
        Recording {
            format: Format::SnapshotPickle,
            framework: self.runs.first().and_then(|run| framework(&self.recorded, run.by)),
            devices: self.runs.iter().map(|run| run.life_recording.clone()).collect(),
            pinned_host: None,
            stacks: self.recorded.stacks.clone(),
            failed_in_capture: false,
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
    let (settings, settings_from) = conditions.settings(own.as_ref());
    let (release, release_from) = conditions.release(check.as_ref());
    let (outside, outside_from) = conditions.outside();
    let setup = Setup {
        release,
        capacity: conditions.capacity,
        outside,
        on_failure: conditions.on_failure,
        costs: conditions.costs.clone(),
        ..Setup::new(settings)
    };
    let own = own.unwrap_or_default();
    let by = conditions.by;
    let same = by == ReplayedBy::PyTorch && behaves_alike(&setup.settings, &own);
    let recorded_start = check.as_ref().filter(|_| same).map(|check| check.start.clone());
    let available = setup.capacity.map(|capacity| capacity.saturating_sub(setup.outside));
    let held = recorded_start.as_ref().map(Start::reserved);
    let too_large_to_begin = held.filter(|&held| available.is_some_and(|most| most < held));
    let recorded_start = recorded_start.filter(|_| too_large_to_begin.is_none());
    let warm = recorded_start.is_some() && 0 < program.older;
    let (program, start) = match recorded_start {
        Some(start) => (program, start),
        None => (program.begun_anew(), Start::empty()),
    };
    let life = live(trace, &program, &start, by, &setup).map_err(failed)?;
    let Life { outcome, recording } = life;
    let life = explained(recorded, recording.clone(), by, setup.capacity)
        .map_err(|source| Unreplayable::Life { device, source })?;
    let rules = SizeRules::new(&setup.settings);
    Ok(ReplayedRun {
        place,
        by,
        settings_from,
        release_from,
        outside_from,
        check,
        warm,
        too_large_to_begin,
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
    by: ReplayedBy,
    capacity: Option<Bytes>,
) -> Result<Examined, RebuildError> {
    let trace = Trace::rebuild(recording)?;
    let framework = framework(recorded, by);
    let question = Question { capacity, framework: framework.as_ref(), ..Question::default() };
    let diagnosis = Diagnosis::of(&trace, &recorded.stacks, &recorded.sites, &question);
    Ok(Examined { trace, diagnosis })
}

/// What a replayed allocator is part of, whoever recorded the program.
fn framework(recorded: &Examination, by: ReplayedBy) -> Option<Framework> {
    match by {
        ReplayedBy::PyTorch => recorded.framework.clone().filter(|it| !it.is_gapless()),
        ReplayedBy::Gapless(_) => Some(Framework::gapless()),
    }
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
