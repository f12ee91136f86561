//! The entries of `device_traces`.

use gapless_trace::{Action, Event, Events, LabelId, StackId};
use gapless_units::{Addr, Bytes, Micros, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::fields::Fields;
use super::{Decoder, numbers};
use crate::document::{Document, Value, View};

const KEYS: [&str; 9] = [
    "action",
    "addr",
    "size",
    "stream",
    "frames",
    "time_us",
    "pool_id",
    "user_metadata",
    "device_free",
];
/// Keys of entries that say nothing about memory.
const IGNORED: &[&str] =
    &["compile_context", "category", "internal_metadata", "forward_frames", "segment_pool_id"];

/// What the entries of one trace share.
struct Shared {
    fields: Fields<9>,
    /// The few texts that name actions.
    actions: Vec<(Value, Action)>,
    labels: FxHashMap<Value, LabelId>,
}

impl Decoder<'_> {
    /// The events of one device; `place` is where the list stands.
    pub(super) fn events(&mut self, place: &str, list: Value) -> Events {
        let mut events = Events::with_capacity(self.document.len(list));
        let mut shared = Shared {
            fields: Fields::new(KEYS, IGNORED),
            actions: Vec::new(),
            labels: FxHashMap::default(),
        };
        for (index, entry) in self.document.items(list).enumerate() {
            let event = self.event(&mut shared, entry);
            let event = event.unwrap_or_else(|wrong| {
                self.complaints.skipped(wrong, || format!("{place}[{index}]"));
                unreadable()
            });
            events.push(event);
        }
        for key in shared.fields.into_unknown() {
            self.complaints.unknown_key("trace entries", &key);
        }
        events
    }

    /// Reads an entry, or says what is wrong with it.
    fn event(&mut self, shared: &mut Shared, entry: Value) -> Result<Event, String> {
        let document = self.document;
        let [action, addr, size, stream, frames, time, pool, metadata, device_free] =
            shared.fields.of(document, entry);
        let action = action.ok_or("an entry without an action")?;
        let action = action_of(document, &mut shared.actions, action)?;
        let addr = if action == Action::OutOfMemory { device_free.or(addr) } else { addr };
        let addr = addr.map_or(Some(0), |addr| numbers::address(document, addr));
        let size = size.map_or(Some(0), |size| numbers::count(document, size));
        let stream = stream.map_or(Some(0), |stream| numbers::address(document, stream));
        let time = time.and_then(|time| numbers::integer(document, time));
        Ok(Event {
            action,
            addr: Addr::new(addr.ok_or("an entry whose address is no 64-bit number")?),
            size: Bytes::new(size.ok_or("an entry whose size is no number of bytes")?),
            stream: StreamId(stream.ok_or("an entry whose stream is no 64-bit number")?),
            pool: pool.and_then(|pool| pool_id(document, pool)),
            time: Micros(time.and_then(|time| i64::try_from(time).ok()).unwrap_or(0)),
            stack: frames
                .map_or(StackId::NONE, |list| self.frames.stack(document, list, &mut self.stacks)),
            label: metadata.map_or(LabelId::EMPTY, |metadata| self.label(shared, metadata)),
        })
    }

    /// What the program attached: a text, or a dict that is written out.
    fn label(&mut self, shared: &mut Shared, metadata: Value) -> LabelId {
        if let Some(&label) = shared.labels.get(&metadata) {
            return label;
        }
        let label = match self.document.view(metadata) {
            View::Text(text) => self.stacks.label(text),
            View::None | View::Bool(_) | View::Int(_) | View::Float(_) | View::Opaque => {
                LabelId::EMPTY
            }
            View::List | View::Tuple | View::Dict => {
                let pairs = self
                    .document
                    .entries(metadata)
                    .map(|(key, value)| format!("{key}={}", written_out(self.document, value)));
                let text = pairs.collect::<Vec<_>>().join(", ");
                self.stacks.label(&text)
            }
        };
        shared.labels.insert(metadata, label);
        label
    }
}

/// A scalar as text.
pub(super) fn written_out(document: &Document, value: Value) -> String {
    match document.view(value) {
        View::Text(text) => text.to_owned(),
        View::Int(number) => number.to_string(),
        View::Bool(flag) => flag.to_string(),
        View::Float(number) => number.to_string(),
        other @ (View::None | View::List | View::Tuple | View::Dict | View::Opaque) => {
            other.kind().to_owned()
        }
    }
}

/// The action that a text names; an unknown one is an error that names it.
fn action_of(
    document: &Document,
    known: &mut Vec<(Value, Action)>,
    text: Value,
) -> Result<Action, String> {
    if let Some(&(_, action)) = known.iter().find(|(value, _)| *value == text) {
        return Ok(action);
    }
    let name = document.as_text(text).ok_or("an entry whose action is no text")?;
    let action = named_action(name)
        .ok_or_else(|| format!("an entry with the unknown action {:?}", shortened(name)))?;
    if known.len() < 64 {
        known.push((text, action));
    }
    Ok(action)
}

fn named_action(name: &str) -> Option<Action> {
    Some(match name {
        "alloc" => Action::Alloc,
        "free_requested" => Action::FreeRequested,
        "free_completed" | "free" => Action::FreeCompleted,
        "segment_alloc" => Action::SegmentAlloc,
        "segment_free" => Action::SegmentFree,
        "segment_map" => Action::SegmentMap,
        "segment_unmap" => Action::SegmentUnmap,
        "oom" => Action::OutOfMemory,
        "snapshot" | "workspace_snapshot" => Action::Snapshot,
        "annotate" | "user_defined" => Action::Annotate,
        _ => return None,
    })
}

fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

/// A pool's pair of numbers.
pub(super) fn pool_id(document: &Document, pair: Value) -> Option<PoolId> {
    let mut numbers = document.items(pair).map(|number| numbers::count(document, number));
    Some(PoolId(numbers.next()??, numbers.next()??))
}

/// Keeps the place of an entry that could not be read.
fn unreadable() -> Event {
    Event {
        action: Action::Unknown,
        addr: Addr::default(),
        size: Bytes::ZERO,
        stream: StreamId::DEFAULT,
        pool: None,
        time: Micros(0),
        stack: StackId::NONE,
        label: LabelId::EMPTY,
    }
}
