//! The file and what it is, in words and numbers.

use gapless_trace::{Framework, Note, Trace, Weight};
use gapless_units::DeviceId;
use serde::Serialize;

use super::totals::TotalsFacts;
use crate::examination::Examination;

/// The file.
#[derive(Clone, Debug, Serialize)]
pub struct RecordingFacts {
    /// Its path.
    pub path: String,
    /// The format's stable name.
    pub format: &'static str,
    /// The size of the file.
    pub bytes: u64,
    /// The events of the devices told of.
    pub events: usize,
    /// What made it, where known.
    pub framework: Option<FrameworkFacts>,
    /// Whether nothing in it contradicts anything else.
    pub consistent: bool,
    /// What is to be known about it, the weightiest first.
    pub notes: Vec<NoteFacts>,
    /// Pinned host memory, where recorded.
    pub pinned_host: Option<HostFacts>,
}

impl RecordingFacts {
    /// Whether our own allocator tells of itself.
    pub fn is_ours(&self) -> bool {
        self.framework.as_ref().is_some_and(|framework| framework.name == Framework::gapless().name)
    }
}

/// What made a recording.
#[derive(Clone, Debug, Serialize)]
pub struct FrameworkFacts {
    /// The framework's name.
    pub name: String,
    /// The first release that writes such a file, where known.
    pub first: Option<String>,
    /// The last release that writes such a file; none is up to today's.
    pub last: Option<String>,
    /// The same in words.
    pub text: String,
}

/// A sentence about a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NoteFacts {
    /// What it takes away: `remark`, `missing` or `contradiction`.
    pub weight: &'static str,
    /// The stable name of its kind.
    pub code: &'static str,
    /// The device it is about, where it is about one.
    pub device: Option<u32>,
    /// The sentence.
    pub text: String,
}

/// Pinned host memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HostFacts {
    /// Its events.
    pub events: usize,
    /// Before the first.
    pub start: TotalsFacts,
    /// The largest of each total.
    pub peak: TotalsFacts,
    /// After the last.
    pub end: TotalsFacts,
}

impl RecordingFacts {
    pub(crate) fn of(examination: &Examination) -> Self {
        let mut notes: Vec<(Weight, NoteFacts)> = Vec::new();
        let mut add = |note: &Note, device: Option<DeviceId>| {
            notes.push((note.weight, NoteFacts::of(note, device)));
        };
        for note in &examination.notes {
            add(note, None);
        }
        for examined in &examination.devices {
            for note in &examined.trace.notes {
                add(note, Some(examined.trace.device));
            }
        }
        notes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let consistent = notes.iter().all(|(weight, _)| *weight < Weight::Contradiction);
        Self {
            path: examination.source.path.clone(),
            format: examination.format.name(),
            bytes: examination.source.bytes.get(),
            events: examination.devices.iter().map(|device| device.trace.events.len()).sum(),
            framework: examination.framework.as_ref().map(FrameworkFacts::of),
            consistent,
            notes: notes.into_iter().map(|(_, note)| note).collect(),
            pinned_host: examination.pinned_host.as_ref().map(HostFacts::of),
        }
    }
}

impl FrameworkFacts {
    fn of(framework: &Framework) -> Self {
        Self {
            name: framework.name.clone(),
            first: framework.first.map(|release| release.to_string()),
            last: framework.last.map(|release| release.to_string()),
            text: framework.to_string(),
        }
    }
}

impl NoteFacts {
    fn of(note: &Note, device: Option<DeviceId>) -> Self {
        let weight = match note.weight {
            Weight::Remark => "remark",
            Weight::Missing => "missing",
            Weight::Contradiction => "contradiction",
        };
        Self { weight, code: note.code, device: device.map(|id| id.0), text: note.text.clone() }
    }
}

impl HostFacts {
    fn of(trace: &Trace) -> Self {
        Self {
            events: trace.events.len(),
            start: trace.start_totals().into(),
            peak: trace.peak_totals().into(),
            end: trace.end_totals().into(),
        }
    }
}
