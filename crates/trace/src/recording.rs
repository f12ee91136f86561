//! A recording as a reader hands it over: everything the file says, nothing concluded.

use gapless_units::{Bytes, DeviceId, Micros};

use crate::event::Events;
use crate::framework::Framework;
use crate::note::Note;
use crate::segment::FinalSegment;
use crate::settings::Settings;
use crate::stacks::{LabelId, Stacks};

/// The file format a recording came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A PyTorch memory snapshot, pickled.
    SnapshotPickle,
    /// A PyTorch memory snapshot as JSON.
    SnapshotJson,
    /// A plain list of operations.
    OperationList,
}

impl Format {
    /// A stable name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::SnapshotPickle => "pytorch-snapshot-pickle",
            Self::SnapshotJson => "pytorch-snapshot-json",
            Self::OperationList => "operation-list",
        }
    }
}

/// Everything a file says.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The format it came in.
    pub format: Format,
    /// The framework that made it, as far as the file tells.
    pub framework: Option<Framework>,
    /// What the file says of each device that has events or segments, in the order of devices.
    pub devices: Vec<DeviceRecording>,
    /// Pinned host memory, where it was recorded: read like a device, on the device id 0.
    pub pinned_host: Option<DeviceRecording>,
    /// The call stacks and labels of all devices.
    pub stacks: Stacks,
    /// Whether our own allocator heard of a capture of a graph when the last request failed: then it
    /// neither moved pages nor waited.
    pub failed_in_capture: bool,
    /// What the reader could not read, and what it wants to be known.
    pub notes: Vec<Note>,
}

impl Recording {
    /// What an allocator of ours tells of itself, with the stacks and labels that its events name.
    pub fn of_one(device: DeviceRecording, stacks: Stacks) -> Self {
        Self {
            format: Format::SnapshotPickle,
            framework: Some(Framework::gapless()),
            devices: vec![device],
            pinned_host: None,
            stacks,
            failed_in_capture: false,
            notes: Vec::new(),
        }
    }
}

/// What a file says of one device.
#[derive(Clone, Debug)]
pub struct DeviceRecording {
    /// The device.
    pub device: DeviceId,
    /// The allocator's settings, where recorded.
    pub settings: Option<Settings>,
    /// The events, oldest first.
    pub events: Events,
    /// The allocator's segments after the last event; `None` where the format has none, and then
    /// addresses only tell blocks apart and say nothing about placement.
    pub end: Option<Vec<FinalSegment>>,
    /// Ranges the program marked, in the order of the file.
    pub annotations: Vec<Annotation>,
}

impl DeviceRecording {
    /// The largest size that is believed: more memory than any machine has.
    pub const LARGEST_SIZE: Bytes = Bytes::gib(1 << 20);
}

/// One end of a range that the program marked, such as an optimizer's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// When.
    pub time: Micros,
    /// Whether the range starts here; it ends here otherwise.
    pub starts: bool,
    /// What the program called it.
    pub name: LabelId,
}
