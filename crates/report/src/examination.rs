//! A recording with the diagnosis of each of its devices: what every report is made from.

use gapless_diagnose::{Diagnosis, Question, Sites};
use gapless_replay::{Check, Program, ReplayError};
use gapless_trace::{
    DeviceRecording, Format, Framework, Instant, Note, RebuildError, Recording, Settings, Stacks,
    Trace,
};
use gapless_units::{Bytes, DeviceId};

/// The file a recording came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path, as it shall be shown.
    pub path: String,
    /// Its size, before anything was decompressed.
    pub bytes: Bytes,
}

/// The instant a user asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moment {
    /// The failure if there is one, else the end.
    #[default]
    Telling,
    /// Right after the last request that failed for good.
    Failure,
    /// After the last event.
    End,
    /// Right after the event at this index.
    After(usize),
}

/// What is asked about a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The instant to look at.
    pub at: Moment,
    /// The memory of the device, where known.
    pub capacity: Option<Bytes>,
    /// The only device to look at.
    pub device: Option<DeviceId>,
}

/// Why a recording cannot be examined as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    /// Its numbers cannot be of any device.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// It tells of no device at all.
    #[error("it tells of no device")]
    Empty,
    /// It tells nothing of the device asked for.
    #[error("it tells nothing of device {asked}, only of {}", listed(known))]
    NoSuchDevice {
        /// The device asked for.
        asked: DeviceId,
        /// Those it tells of.
        known: Vec<DeviceId>,
    },
    /// The failure was asked for and there is none.
    #[error("no request failed in it")]
    NoFailure,
    /// An event was asked for that it does not have.
    #[error("event {asked} was asked for, and it has only {known}, counted from 0")]
    NoSuchEvent {
        /// The event asked for.
        asked: usize,
        /// How many events the device with most of them has.
        known: usize,
    },
    /// A device was told to have less memory than it had.
    #[error("device {device} had {known} reserved or free, and {capacity} are less")]
    TooSmall {
        /// The device.
        device: DeviceId,
        /// The memory it is told to have.
        capacity: Bytes,
        /// What was reserved at the instant that is looked at, and free on the device where that is
        /// known.
        known: Bytes,
    },
}

fn listed(devices: &[DeviceId]) -> String {
    let ids: Vec<String> = devices.iter().map(ToString::to_string).collect();
    format!("device {}", ids.join(", "))
}

/// A device of a recording, rebuilt and diagnosed.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What happened on it.
    pub trace: Trace,
    /// What that means.
    pub diagnosis: Diagnosis,
}

/// A recording, rebuilt and diagnosed.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The file.
    pub source: Source,
    /// Its format.
    pub format: Format,
    /// What made it, where known.
    pub framework: Option<Framework>,
    /// What its reader had to say.
    pub notes: Vec<Note>,
    /// The call stacks.
    pub stacks: Stacks,
    /// The line behind each stack.
    pub sites: Sites,
    /// The devices in the order of the recording.
    pub devices: Vec<Examined>,
    /// Pinned host memory, where it was recorded.
    pub pinned_host: Option<Trace>,
}

impl Examination {
    /// Whether our own allocator tells of itself.
    pub fn is_ours(&self) -> bool {
        self.framework.as_ref().is_some_and(Framework::is_gapless)
    }

    /// The settings that PyTorch's allocator ran with, where it did and they are known.
    pub fn settings<'t>(&self, trace: &'t Trace) -> Option<&'t Settings> {
        // Those that our own allocator writes are there for readers of PyTorch's snapshots.
        trace.settings.as_ref().filter(|_| !self.is_ours())
    }

    /// How well a device's recording comes back under its own settings; nothing where it does not
    /// tell where blocks were placed, contradicts itself, or is not of PyTorch's allocator.
    pub fn check(&self, place: usize) -> Result<Option<Check>, ReplayError> {
        let trace = &self.devices[place].trace;
        if !trace.is_placed() || !trace.is_consistent() || self.is_ours() {
            return Ok(None);
        }
        let settings = self.settings(trace).cloned().unwrap_or_default();
        let program = Program::of(trace);
        Check::of(trace, &program, &settings, self.framework.as_ref()).map(Some)
    }

    /// Rebuilds and diagnoses a recording.
    pub fn of(recording: Recording, source: Source, asked: &Asked) -> Result<Self, ExamineError> {
        let Recording { format, framework, devices, pinned_host, stacks, notes, .. } = recording;
        let in_capture = recording.failed_in_capture;
        let traces = rebuild(devices, asked)?;
        let known = traces.iter().map(|trace| trace.events.len()).max().unwrap_or(0);
        match asked.at {
            Moment::After(asked) if known <= asked => {
                return Err(ExamineError::NoSuchEvent { asked, known });
            }
            Moment::Failure if traces.iter().all(|trace| trace.failure().is_none()) => {
                return Err(ExamineError::NoFailure);
            }
            Moment::Telling | Moment::Failure | Moment::End | Moment::After(_) => {}
        }
        let sites = Sites::of(&stacks);
        let examine = |trace: Trace| {
            let at = match asked.at {
                Moment::Telling | Moment::Failure => None,
                Moment::End => Some(trace.end()),
                Moment::After(event) => Some(Instant::after(event)),
            };
            let framework = framework.as_ref();
            let question = Question { at, capacity: asked.capacity, framework, in_capture };
            let diagnosis = Diagnosis::of(&trace, &stacks, &sites, &question);
            let known = diagnosis.known;
            match asked.capacity.filter(|&capacity| capacity < known && trace.is_consistent()) {
                Some(capacity) => {
                    Err(ExamineError::TooSmall { device: trace.device, capacity, known })
                }
                None => Ok(Examined { trace, diagnosis }),
            }
        };
        let devices = traces.into_iter().map(examine).collect::<Result<_, _>>()?;
        let pinned_host = pinned_host.map(Trace::rebuild).transpose()?;
        Ok(Self { source, format, framework, notes, stacks, sites, devices, pinned_host })
    }
}

/// The traces of the devices asked for.
fn rebuild(devices: Vec<DeviceRecording>, asked: &Asked) -> Result<Vec<Trace>, ExamineError> {
    let known: Vec<DeviceId> = devices.iter().map(|device| device.device).collect();
    if known.is_empty() {
        return Err(ExamineError::Empty);
    }
    let wanted = |device: &DeviceRecording| asked.device.is_none_or(|id| device.device == id);
    let traces: Result<Vec<Trace>, RebuildError> =
        devices.into_iter().filter(wanted).map(Trace::rebuild).collect();
    let traces = traces?;
    match asked.device {
        Some(asked) if traces.is_empty() => Err(ExamineError::NoSuchDevice { asked, known }),
        Some(_) | None => Ok(traces),
    }
}
