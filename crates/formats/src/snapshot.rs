//! PyTorch memory snapshots: what `torch.cuda.memory._dump_snapshot` writes, release by release.
//!
//! | since | what is new |
//! | --- | --- |
//! | before 1.13 | the snapshot is the bare list of segments |
//! | 1.13 | `segments` and `device_traces`; blocks have a `history` and no address |
//! | 2.1 | blocks have `address` and `frames`; `allocator_settings` |
//! | 2.2 | events have `time_us` |
//! | 2.6 | `external_annotations` |
//! | 2.9 | events have `compile_context`, then `user_metadata` |
//! | 2.12 | events have `pool_id` |
//! | 2.14 | `host_segments` and `host_traces` |
//!
//! Keys come in any order and any may be missing. What cannot be read is noted with its place and
//! the rest is kept.

mod allowance;
mod excerpt;

mod complaints;
mod fields;
mod numbers;

mod frames;

mod events;

mod annotations;
mod segments;
mod settings;

mod release;

use std::collections::BTreeMap;

use gapless_trace::{DeviceRecording, Events, Format, Recording, Stacks};
use gapless_units::DeviceId;

use self::allowance::Allowance;
use self::complaints::{Complaints, Place};
use self::excerpt::excerpt;
use self::frames::Frames;
use crate::document::{Document, Value, View};
use crate::error::ReadError;

pub(crate) use self::release::{CAPTURE_KEY, FRAMEWORK_KEY};
pub(crate) use self::segments::PINNED_KEY;
pub(crate) use self::settings::PAGE_KEY;

/// More devices than any machine has; a list longer than this is not one of devices.
const MOST_DEVICES: u32 = 1 << 16;

/// Reads a snapshot out of a document.
///
/// An error is only what leaves nothing to read: a document without segments and traces.
pub(crate) fn decode(document: &Document, format: Format) -> Result<Recording, ReadError> {
    let root = document.root();
    let (segments, traces) = if is_segment_list(document, root) {
        (Some(root), None)
    } else {
        (document.get(root, "segments"), document.get(root, "device_traces"))
    };
    if segments.is_none() && traces.is_none() {
        return Err(ReadError::NotASnapshot { found: describe(document, root) });
    }
    let mut decoder = Decoder {
        document,
        frames: Frames::default(),
        stacks: Stacks::default(),
        allowance: Allowance::of(document),
        complaints: Complaints::default(),
    };
    let mut devices = decoder.devices(segments, traces);
    decoder.settings(root, &mut devices);
    if let Some(value) = document.get(root, "external_annotations") {
        decoder.annotations(value, &mut devices);
    }
    let pinned_host = decoder.pinned_host(root);
    decoder.unknown_keys(root);
    decoder.frames.fields.complain(document, &mut decoder.complaints);
    let framework = Some(release::release(document, root));
    Ok(Recording {
        format,
        framework,
        devices: devices.into_values().collect(),
        pinned_host,
        stacks: decoder.stacks,
        failed_in_capture: document.get(root, CAPTURE_KEY).is_some(),
        notes: document.notes().iter().cloned().chain(decoder.complaints.into_notes()).collect(),
    })
}

/// Whether the document is what releases before 1.13 wrote: the bare list of segments.
fn is_segment_list(document: &Document, root: Value) -> bool {
    let first = document.items(root).next();
    first.is_some_and(|segment| document.get(segment, "blocks").is_some())
}

/// What stands at the top of a document that is no snapshot.
fn describe(document: &Document, root: Value) -> String {
    if document.view(root) == View::Dict {
        let entries = document.entries(root).take(5);
        let keys: Vec<String> = entries.map(|(key, _)| excerpt(key, 40)).collect();
        return format!("a dict with the keys {keys:?}");
    }
    document.view(root).kind().to_owned()
}

/// What all parts of a snapshot share while it is read.
struct Decoder<'d> {
    document: &'d Document,
    frames: Frames,
    stacks: Stacks,
    allowance: Allowance,
    complaints: Complaints,
}

type Devices = BTreeMap<DeviceId, DeviceRecording>;

impl Decoder<'_> {
    fn devices(&mut self, segments: Option<Value>, traces: Option<Value>) -> Devices {
        let mut devices = Devices::new();
        for (id, segment) in
            segments.map(|list| self.segments("segments", list)).into_iter().flatten()
        {
            device(&mut devices, id).end.get_or_insert_default().push(segment);
        }
        for (index, events) in self.traces("device_traces", traces) {
            device(&mut devices, DeviceId(index)).events = events;
        }
        devices
    }

    /// The lists of events that are not empty, with their places in the list of lists.
    fn traces(&mut self, name: &str, lists: Option<Value>) -> Vec<(u32, Events)> {
        let document = self.document;
        let mut traces = Vec::new();
        for (index, list) in lists.into_iter().flat_map(|lists| document.items(lists)).enumerate() {
            let place = Place { list: name, index };
            let device = u32::try_from(index).ok().filter(|&index| index < MOST_DEVICES);
            let Some(device) = device.filter(|_| self.allowance.take(1)) else {
                self.complaints.cut_off(|| place.to_string());
                break;
            };
            if !matches!(document.view(list), View::List | View::Tuple) {
                self.complaints.skipped("a trace that is no list", || place.to_string());
            }
            let events = self.events(&place.to_string(), list);
            if !events.is_empty() {
                traces.push((device, events));
            }
        }
        traces
    }

    fn pinned_host(&mut self, root: Value) -> Option<DeviceRecording> {
        let segments = self.document.get(root, "host_segments");
        let segments =
            segments.map(|list| self.segments("host_segments", list)).unwrap_or_default();
        let mut traces = self.traces("host_traces", self.document.get(root, "host_traces"));
        let longest = traces.iter().map(|(_, events)| events.len()).max();
        let longest = traces.iter().position(|(_, events)| Some(events.len()) == longest);
        let mut host = empty(DeviceId(0));
        host.end = Some(segments.into_iter().map(|(_, segment)| segment).collect());
        host.events = longest.map(|at| traces.swap_remove(at).1).unwrap_or_default();
        for (index, _) in &traces {
            let what = "a trace of the host beside a longer one";
            self.complaints.skipped(what, || format!("host_traces[{index}]"));
        }
        let nothing = host.events.is_empty() && host.end.as_ref().is_none_or(Vec::is_empty);
        (!nothing).then_some(host)
    }

    fn unknown_keys(&mut self, root: Value) {
        const KNOWN: [&str; 8] = [
            FRAMEWORK_KEY,
            CAPTURE_KEY,
            "segments",
            "device_traces",
            "allocator_settings",
            "external_annotations",
            "host_segments",
            "host_traces",
        ];
        if matches!(self.document.view(root), View::Dict) {
            for (key, _) in self.document.entries(root).filter(|(key, _)| !KNOWN.contains(key)) {
                self.complaints.unknown_key("the snapshot", key, 1);
            }
        }
    }
}

fn device(devices: &mut Devices, id: DeviceId) -> &mut DeviceRecording {
    devices.entry(id).or_insert_with(|| empty(id))
}

/// A device of which nothing is known yet. A snapshot always tells the final state, if only that
/// there are no segments.
fn empty(id: DeviceId) -> DeviceRecording {
    DeviceRecording {
        device: id,
        settings: None,
        events: Events::default(),
        end: Some(Vec::new()),
        annotations: Vec::new(),
    }
}
