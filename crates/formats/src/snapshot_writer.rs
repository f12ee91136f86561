//! Writes a recording as PyTorch 2.15 writes its snapshots, for its viewer and every other reader.
//!
//! What our own allocator tells of itself has one key more, which says so: the rules and calls of PyTorch
//! mean nothing to it.

mod pickler;

use gapless_trace::{
    Action, BlockState, DeviceRecording, Event, FinalBlock, FinalSegment, Recording, Settings,
    StackId, Stacks,
};
use gapless_units::{Bytes, DeviceId};
use rustc_hash::FxHashMap;

use crate::snapshot::{CAPTURE_KEY, FRAMEWORK_KEY, PAGE_KEY, PINNED_KEY};
use pickler::{BATCH, Memo, Pickler};

/// Why a recording cannot be written as a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It does not tell where blocks were placed.
    #[error("device {device} was recorded without placement, which a snapshot needs")]
    Unplaced {
        /// The device.
        device: DeviceId,
    },
}

/// A recording as a pickled snapshot. Stacks and texts are written once and shared; events that
/// no snapshot has, and those a reader could not read, are left out.
pub fn write_snapshot(recording: &Recording) -> Result<Vec<u8>, WriteError> {
    let unplaced = recording.devices.iter().find(|device| device.end.is_none());
    if let Some(device) = unplaced {
        return Err(WriteError::Unplaced { device: device.device });
    }
    let mut writer = Writer {
        pickle: Pickler::new(),
        stacks: &recording.stacks,
        lists: FxHashMap::default(),
        frames: FxHashMap::default(),
    };
    writer.snapshot(recording);
    Ok(writer.pickle.finish())
}

struct Writer<'r> {
    pickle: Pickler,
    stacks: &'r Stacks,
    /// The stacks written so far.
    lists: FxHashMap<StackId, Memo>,
    /// The frames written so far.
    frames: FxHashMap<(&'r str, u32, &'r str), Memo>,
}

impl Writer<'_> {
    fn snapshot(&mut self, recording: &Recording) {
        let pinned = recording.pinned_host.as_slice();
        let settings = recording.devices.iter().find_map(|device| device.settings.as_ref());
        self.dict(|writer| {
            writer.key("segments", |writer| writer.segments(&recording.devices));
            writer.key("device_traces", |writer| writer.traces(&recording.devices));
            writer.key("host_segments", |writer| writer.segments(pinned));
            writer.key("host_traces", |writer| writer.traces(pinned));
            writer.key("allocator_settings", |writer| {
                writer.settings(settings.unwrap_or(&Settings::default()));
            });
            writer.key("external_annotations", |writer| writer.annotations(&recording.devices));
            if let Some(framework) = recording.framework.as_ref().filter(|it| it.is_gapless()) {
                writer.text(FRAMEWORK_KEY, &framework.name);
            }
            if recording.failed_in_capture {
                writer.number(CAPTURE_KEY, 1);
            }
        });
    }

    fn dict(&mut self, entries: impl FnOnce(&mut Self)) {
        // The closures of the pickler cannot borrow all of the writer, so it is lent to them.
        let mut pickle = std::mem::take(&mut self.pickle);
        pickle.dict(|inner| {
            std::mem::swap(&mut self.pickle, inner);
            entries(self);
            std::mem::swap(&mut self.pickle, inner);
        });
        self.pickle = pickle;
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, each: impl Fn(&mut Self, T)) {
        self.pickle.empty_list();
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let mut pickle = std::mem::take(&mut self.pickle);
            pickle.items(|inner| {
                std::mem::swap(&mut self.pickle, inner);
                for item in items.by_ref().take(BATCH) {
                    each(self, item);
                }
                std::mem::swap(&mut self.pickle, inner);
            });
            self.pickle = pickle;
        }
    }

    fn key(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.pickle.text(key);
        value(self);
    }

    fn number(&mut self, key: &str, number: u64) {
        self.pickle.text(key);
        self.pickle.number(number);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.pickle.text(key);
        self.pickle.text(text);
    }

    fn flag(&mut self, key: &str, flag: bool) {
        self.pickle.text(key);
        self.pickle.flag(flag);
    }

    fn segments(&mut self, devices: &[DeviceRecording]) {
        let of = |device: &'_ DeviceRecording| device.end.clone().unwrap_or_default();
        let segments = devices
            .iter()
            .flat_map(|device| of(device).into_iter().map(|segment| (device.device, segment)));
        self.list(segments, |writer, (device, segment)| writer.segment(device, &segment));
    }

    fn segment(&mut self, device: DeviceId, segment: &FinalSegment) {
        let sum = |size: fn(&FinalBlock) -> Bytes, wanted: fn(BlockState) -> bool| {
            let blocks = segment.blocks.iter().filter(|block| wanted(block.state));
            blocks.map(|block| size(block).get()).sum::<u64>()
        };
        let active = |state| state != BlockState::Inactive;
        let held = sum(|block| block.size, |state| state == BlockState::Allocated);
        self.dict(|writer| {
            writer.number("device", u64::from(device.0));
            writer.number("address", segment.addr.get());
            writer.number("total_size", segment.size.get());
            writer.number("allocated_size", segment.allocated.map_or(held, Bytes::get));
            writer.number("active_size", sum(|block| block.size, active));
            writer.number("requested_size", sum(|block| block.requested, active));
            writer.number("stream", segment.stream.0);
            writer.text("segment_type", segment.size_pool.word());
            writer.key("segment_pool_id", |w| w.pickle.pair(segment.pool.0, segment.pool.1));
            writer.flag("is_expandable", segment.expandable);
            writer.key("frames", |writer| writer.stack(segment.stack));
            writer.key("blocks", |writer| writer.list(&segment.blocks, Self::block));
            if !segment.pinned.is_empty() {
                writer.key(PINNED_KEY, |writer| {
                    writer.list(&segment.pinned, |writer, pinned| {
                        writer.pickle.pair(pinned.start().get(), pinned.size().get());
                    });
                });
            }
        });
    }

    fn block(&mut self, block: &FinalBlock) {
        let state = match block.state {
            BlockState::Allocated => "active_allocated",
            BlockState::PendingFree => "active_pending_free",
            BlockState::Inactive => "inactive",
        };
        self.dict(|writer| {
            writer.number("address", block.addr.get());
            writer.number("size", block.size.get());
            writer.number("requested_size", block.requested.get());
            writer.text("state", state);
            writer.key("frames", |writer| writer.stack(block.stack));
        });
    }

    /// One list for each device up to the last: the place in the list is the device.
    fn traces(&mut self, devices: &[DeviceRecording]) {
        let count = devices.iter().map(|device| device.device.0 + 1).max().unwrap_or(0);
        self.list(0..count, |writer, ordinal| {
            let device = devices.iter().find(|device| device.device.0 == ordinal);
            let events = device.into_iter().flat_map(|device| device.events.iter());
            let known = events.filter_map(|event| Some((word(event.action)?, event)));
            writer.list(known, |writer, (word, event)| writer.event(word, &event));
        });
    }

    fn event(&mut self, word: &str, event: &Event) {
        let failed = event.action == Action::OutOfMemory;
        let stacks = self.stacks;
        self.dict(|writer| {
            writer.text("action", word);
            writer.number(if failed { "device_free" } else { "addr" }, event.addr.get());
            writer.number("size", event.size.get());
            writer.number("stream", event.stream.0);
            writer.key("time_us", |writer| writer.pickle.integer(i128::from(event.time.0)));
            writer.text("compile_context", "N/A");
            writer.text("user_metadata", stacks.text(event.label));
            if let Some(pool) = event.pool {
                writer.key("pool_id", |writer| writer.pickle.pair(pool.0, pool.1));
            }
            if event.stack.is_some() {
                writer.key("frames", |writer| writer.stack(event.stack));
            }
        });
    }

    fn stack(&mut self, stack: StackId) {
        if let Some(&memo) = self.lists.get(&stack) {
            return self.pickle.fetch(memo);
        }
        let stacks = self.stacks;
        self.list(stacks.frames(stack), |writer, frame| {
            let key = (frame.file, frame.line, frame.function);
            if let Some(&memo) = writer.frames.get(&key) {
                return writer.pickle.fetch(memo);
            }
            writer.dict(|writer| {
                writer.text("filename", frame.file);
                writer.text("name", frame.function);
                writer.number("line", u64::from(frame.line));
            });
            let memo = writer.pickle.memoize();
            writer.frames.insert(key, memo);
        });
        let memo = self.pickle.memoize();
        self.lists.insert(stack, memo);
    }

    fn settings(&mut self, settings: &Settings) {
        let limit = settings.max_split_size.map_or(-1, |size| i128::from(size.get()));
        self.dict(|writer| {
            writer.text("PYTORCH_CUDA_ALLOC_CONF", &settings.text);
            writer.key("max_split_size", |writer| writer.pickle.integer(limit));
            let threshold = settings.garbage_collection_threshold.unwrap_or(0.0);
            writer.key("garbage_collection_threshold", |writer| writer.pickle.real(threshold));
            writer.flag("expandable_segments", settings.expandable_segments);
            if let Some(size) = settings.page_size {
                writer.number(PAGE_KEY, size.get());
            }
            writer.key("roundup_power2_divisions", |writer| {
                writer.dict(|writer| {
                    for (index, &divisions) in settings.roundup_power2_divisions.iter().enumerate()
                    {
                        writer.number(&(1_u64 << index).to_string(), divisions);
                    }
                });
            });
            for (key, value) in &settings.others {
                writer.key(key, |writer| writer.scalar(value));
            }
        });
    }

    /// A value that a reader kept as text, as what it was.
    fn scalar(&mut self, text: &str) {
        match (text, text.parse::<i64>(), text.parse::<f64>()) {
            ("True" | "true", ..) => self.pickle.flag(true),
            ("False" | "false", ..) => self.pickle.flag(false),
            (_, Ok(number), _) => self.pickle.integer(i128::from(number)),
            (_, _, Ok(real)) => self.pickle.real(real),
            _ => self.pickle.text(text),
        }
    }

    fn annotations(&mut self, devices: &[DeviceRecording]) {
        let stacks = self.stacks;
        let all = devices.iter().flat_map(|device| {
            device.annotations.iter().map(|annotation| (device.device, *annotation))
        });
        self.list(all, |writer, (device, annotation)| {
            writer.dict(|writer| {
                writer.number("device", u64::from(device.0));
                let time = i128::from(annotation.time.0);
                writer.key("time_us", |writer| writer.pickle.integer(time));
                writer.text("name", stacks.text(annotation.name));
                writer.text("stage", if annotation.starts { "START" } else { "END" });
            });
        });
    }
}

/// PyTorch's word for an action, where snapshots have it.
fn word(action: Action) -> Option<&'static str> {
    match action {
        Action::Alloc => Some("alloc"),
        Action::FreeRequested => Some("free_requested"),
        Action::FreeCompleted => Some("free_completed"),
        Action::SegmentAlloc => Some("segment_alloc"),
        Action::SegmentFree => Some("segment_free"),
        Action::SegmentMap => Some("segment_map"),
        Action::SegmentUnmap => Some("segment_unmap"),
        Action::OutOfMemory => Some("oom"),
        Action::Snapshot => Some("snapshot"),
        Action::Annotate => Some("annotate"),
        Action::RecordStream | Action::EmptyCache | Action::Synchronize | Action::Unknown => None,
    }
}
