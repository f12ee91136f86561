//! The entries of `device_traces`.

use gapless_trace::{Action, Event, Events, LabelId, StackId};
use gapless_units::{Addr, Bytes, Micros, PoolId, StreamId};
use rustc_hash::FxHashMap;

use super::complaints::Place;
use super::excerpt::{excerpt, quoted, written_out};
use super::fields::Fields;
use super::{Decoder, numbers};
use crate::document::{Document, Value, View};

const KEYS: [&str; 10] = [
    "action",
    "addr",
    "size",
    "stream",
    "frames",
    "time_us",
    "pool_id",
    "segment_pool_id",
    "user_metadata",
    "device_free",
];
/// Keys of entries that say nothing about memory.
const IGNORED: &[&str] = &["compile_context", "category", "internal_metadata", "forward_frames"];
/// Characters of a dict that are kept as a label, and of each text in it.
const MOST_LABEL: usize = 1000;

/// What the entries of one trace share.
struct Shared {
    fields: Fields<10>,
    /// The few texts that name actions.
    actions: Vec<(Value, Action)>,
    labels: FxHashMap<Value, LabelId>,
}

/// What is wrong with an entry, and the value that shows it.
struct Wrong {
    what: String,
    value: Option<Value>,
}

impl Decoder<'_> {
    /// The events of one device; `place` is where the list stands.
    pub(super) fn events(&mut self, place: &str, list: Value) -> Events {
        let document = self.document;
        let mut events = Events::with_capacity(self.allowance.at_most(document.len(list)));
        let mut shared = Shared {
            fields: Fields::new("trace entries", KEYS, IGNORED),
            actions: Vec::new(),
            labels: FxHashMap::default(),
        };
        for (index, entry) in document.items(list).enumerate() {
            let place = Place { list: place, index };
            if !self.allowance.take(1) {
                self.complaints.cut_off(|| place.to_string());
                break;
            }
            let event = self.event(&mut shared, entry, place);
            let event = event.unwrap_or_else(|Wrong { what, value }| {
                let value = value.map(|value| format!(", where it is {}", quoted(document, value)));
                let value = value.unwrap_or_default();
                self.complaints.skipped(what, || format!("{place}{value}"));
                unreadable()
            });
            events.push(event);
        }
        shared.fields.complain(document, &mut self.complaints);
        events
    }

    /// Reads an entry, or says what is wrong with it.
    fn event(
        &mut self,
        shared: &mut Shared,
        entry: Value,
        place: Place<'_>,
    ) -> Result<Event, Wrong> {
        let document = self.document;
        let (allowance, complaints) = (&mut self.allowance, &mut self.complaints);
        let [action, addr, size, stream, frames, time, pool, segment_pool, metadata, device_free] =
            shared.fields.of(document, entry, allowance, complaints);
        let wrong = |what: &str, value| Wrong { what: what.to_owned(), value };
        let action = action.ok_or_else(|| wrong("an entry without an action", None))?;
        let action = action_of(document, &mut shared.actions, action)?;
        let addr = if action == Action::OutOfMemory { device_free.or(addr) } else { addr };
        let read = |value: Option<Value>, as_number: NumberReader, what: &str| {
            let number = value.map_or(Some(0), |value| as_number(document, value));
            number.ok_or_else(|| wrong(what, value))
        };
        let address = "an entry whose address is no 64-bit number";
        let bytes = "an entry whose size is no number of bytes";
        let handle = "an entry whose stream is no 64-bit number";
        Ok(Event {
            action,
            addr: Addr::new(read(addr, numbers::address, address)?),
            size: Bytes::new(read(size, numbers::count, bytes)?),
            stream: StreamId(read(stream, numbers::address, handle)?),
            pool: self.pool(pool.or(segment_pool), place),
            time: self.time(time, place),
            stack: self.stack(frames),
            label: metadata.map_or(LabelId::EMPTY, |metadata| self.label(shared, metadata)),
        })
    }

    /// A pool's pair of numbers.
    pub(super) fn pool(&mut self, pair: Option<Value>, place: Place<'_>) -> Option<PoolId> {
        let pair = pair.filter(|&pair| self.document.view(pair) != View::None)?;
        let pool = pool_id(self.document, pair);
        if pool.is_none() {
            self.complaints.skipped("a pool that is no pair of numbers", || place.to_string());
        }
        pool
    }

    fn time(&mut self, time: Option<Value>, place: Place<'_>) -> Micros {
        let Some(time) = time else { return Micros(0) };
        let number = numbers::integer(self.document, time).and_then(|time| time.try_into().ok());
        Micros(number.unwrap_or_else(|| {
            self.complaints.skipped("a time that is no number", || place.to_string());
            0
        }))
    }

    /// What the program attached: a text, or a dict that is written out.
    fn label(&mut self, shared: &mut Shared, metadata: Value) -> LabelId {
        if let Some(&label) = shared.labels.get(&metadata) {
            return label;
        }
        let document = self.document;
        let label = match document.view(metadata) {
            View::Text(text) => self.label_text(text),
            View::None => LabelId::EMPTY,
            View::Bool(_) | View::Int(_) | View::Float(_) | View::Opaque => {
                self.label_text(&written_out(document, metadata, MOST_LABEL))
            }
            View::List | View::Tuple | View::Dict => self.container_label(metadata),
        };
        shared.labels.insert(metadata, label);
        label
    }

    fn container_label(&mut self, metadata: Value) -> LabelId {
        let document = self.document;
        let mut label = String::new();
        let values = document.items(metadata).map(|value| (None, value));
        let entries = document.entries(metadata).map(|(key, value)| (Some(key), value));
        for (key, value) in values.chain(entries) {
            if MOST_LABEL <= label.len() {
                break;
            }
            let separator = if label.is_empty() { "" } else { ", " };
            let key = key.map(|key| format!("{}=", excerpt(key, MOST_LABEL))).unwrap_or_default();
            let value = written_out(document, value, MOST_LABEL);
            label = format!("{label}{separator}{key}{value}");
        }
        self.label_text(&excerpt(&label, MOST_LABEL))
    }

    /// A text as a label; none where the file repeats it too often.
    pub(super) fn label_text(&mut self, text: &str) -> LabelId {
        if !self.allowance.take_text(text) {
            self.complaints.cut_off(String::new);
            return LabelId::EMPTY;
        }
        self.stacks.label(text)
    }
}

type NumberReader = fn(&Document, Value) -> Option<u64>;

/// The action that a text names; an unknown one is an error that names it.
fn action_of(
    document: &Document,
    known: &mut Vec<(Value, Action)>,
    text: Value,
) -> Result<Action, Wrong> {
    if let Some(&(_, action)) = known.iter().find(|(value, _)| *value == text) {
        return Ok(action);
    }
    let name = document.as_text(text).ok_or_else(|| Wrong {
        what: "an entry whose action is no text".to_owned(),
        value: Some(text),
    })?;
    let action = named_action(name).ok_or_else(|| Wrong {
        what: format!("an entry with the unknown action {:?}", excerpt(name, 40)),
        value: None,
    })?;
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

fn pool_id(document: &Document, pair: Value) -> Option<PoolId> {
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
