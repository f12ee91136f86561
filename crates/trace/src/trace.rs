//! The trace of one device: the model that all of gapless works on.

use gapless_units::{Bytes, DeviceId, Extent};

use crate::allocation::{Allocation, AllocationId, Subjects};
use crate::event::{Action, Events};
use crate::instant::Instant;
use crate::mapping::Mapping;
use crate::note::{Note, Weight};
use crate::rebuild::{
    Lifetimes, admit, coverage, settle_block_sizes, total_bytes, undo_allocations, undo_mappings,
};
use crate::recording::{Annotation, DeviceRecording};
use crate::segment::{BlockState, FinalSegment};
use crate::settings::Settings;
use crate::sizes::SizeRules;
use crate::state::State;
use crate::totals::{Totals, TotalsIter};

/// All sizes of a recording must add up to less than this, so that no sum of some overflows.
const MOST_BYTES: u128 = 1 << 61;

/// What happened on one device.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The device.
    pub device: DeviceId,
    /// The allocator's settings, where recorded.
    pub settings: Option<Settings>,
    /// The size rules under these settings, or under PyTorch's defaults.
    pub rules: SizeRules,
    /// The events, oldest first.
    pub events: Events,
    /// Every allocation, by birth and then by address.
    pub allocations: Vec<Allocation>,
    /// Every piece of physical memory, by birth and then by address.
    pub mappings: Vec<Mapping>,
    /// Ranges the program marked.
    pub annotations: Vec<Annotation>,
    /// What the recording lacks and where it contradicts itself.
    pub notes: Vec<Note>,
    subjects: Subjects,
    placed: bool,
    pinned: Vec<Extent>,
    summary: Summary,
}

/// The totals that are asked for again and again.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    start: Totals,
    peak: Totals,
    end: Totals,
}

/// Why a device's recording cannot become a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Sizes no device can have.
    #[error("the sizes recorded for device {device} add up to {bytes} bytes, past 2^61")]
    TooLarge {
        /// The device.
        device: DeviceId,
        /// The sum.
        bytes: u128,
    },
    /// More events than an instant can count.
    #[error("device {device} has {events} events, past 2^32 - 3")]
    TooLong {
        /// The device.
        device: DeviceId,
        /// How many.
        events: usize,
    },
}

impl Trace {
    /// Rebuilds what happened from what was recorded.
    ///
    /// What cannot be is left out and noted; an error is only what would make every number
    /// meaningless: sizes that add up past 2^61 bytes, or more than 2^32 events.
    pub fn rebuild(mut recording: DeviceRecording) -> Result<Self, RebuildError> {
        let device = recording.device;
        let events = recording.events.len();
        if u32::try_from(events).is_err() || u32::MAX as usize - 2 <= events {
            return Err(RebuildError::TooLong { device, events });
        }
        let mut notes = Vec::new();
        admit(&mut recording, &mut notes);
        let bytes = total_bytes(&recording);
        if MOST_BYTES <= bytes {
            return Err(RebuildError::TooLarge { device, bytes });
        }
        let rules = SizeRules::new(recording.settings.as_ref().unwrap_or(&Settings::default()));
        let Lifetimes { mut allocations, subjects } = undo_allocations(&recording, &mut notes);
        let mappings = undo_mappings(&recording, &rules, &mut notes);
        settle_block_sizes(&mut allocations, &subjects, &mappings, &rules, &mut notes);
        for segment in recording.end.iter().flatten() {
            notes.extend(doubt(segment));
        }
        let mut trace = Self {
            device,
            settings: recording.settings,
            rules,
            events: recording.events,
            allocations,
            mappings,
            annotations: recording.annotations,
            notes,
            subjects,
            placed: recording.end.is_some(),
            pinned: recording.end.into_iter().flatten().flat_map(|end| end.pinned).collect(),
            summary: Summary::default(),
        };
        trace.sum_up();
        Ok(trace)
    }

    fn sum_up(&mut self) {
        let mut summary = Summary::default();
        let mut excess = None;
        for (instant, totals) in self.totals().enumerate() {
            if instant == 0 {
                summary.start = totals;
            }
            if excess.is_none() && totals.reserved < totals.active {
                excess = Some((instant, totals));
            }
            summary.peak = summary.peak.max(totals);
            summary.end = totals;
        }
        self.summary = summary;
        self.notes.extend(coverage(&self.events, &self.allocations, summary.start));
        if let Some((instant, totals)) = excess {
            self.notes.push(Note::contradiction(
                "more-live-than-reserved",
                format!(
                    "after {instant} events {} are in use and only {} reserved",
                    totals.active, totals.reserved
                ),
            ));
        }
    }

    /// Whether the recording says where blocks were placed; an operation list does not.
    pub fn is_placed(&self) -> bool {
        self.placed
    }

    /// Whether nothing in the recording contradicts anything else.
    pub fn is_consistent(&self) -> bool {
        self.notes.iter().all(|note| note.weight < Weight::Contradiction)
    }

    /// The allocation an event is about.
    pub fn subject(&self, event: usize) -> Option<AllocationId> {
        self.subjects.get(event)
    }

    /// The allocation with this id.
    pub fn allocation(&self, id: AllocationId) -> &Allocation {
        &self.allocations[id.index()]
    }

    /// The instant after the last event.
    pub fn end(&self) -> Instant {
        match self.events.len().checked_sub(1) {
            Some(last) => Instant::after(last),
            None => Instant::START,
        }
    }

    /// The last request that failed for good, by its event.
    pub fn failure(&self) -> Option<usize> {
        self.events.actions().iter().rposition(|&action| action == Action::OutOfMemory)
    }

    /// The totals at every instant in turn.
    pub fn totals(&self) -> TotalsIter<'_> {
        TotalsIter::new(&self.allocations, &self.subjects, &self.mappings, self.placed)
    }

    /// The totals before the first event.
    pub fn start_totals(&self) -> Totals {
        self.summary.start
    }

    /// The largest of each total over all instants.
    pub fn peak_totals(&self) -> Totals {
        self.summary.peak
    }

    /// The totals after the last event.
    pub fn end_totals(&self) -> Totals {
        self.summary.end
    }

    /// Segments, blocks and gaps at `instant`.
    pub fn state_at(&self, instant: Instant) -> State {
        let state = State::of(instant, &self.allocations, &self.mappings, &self.rules, self.placed);
        let pinned = if self.is_as_at_the_end(instant) { self.pinned.clone() } else { Vec::new() };
        State { pinned, ..state }
    }

    /// Whether nothing after `instant` changed what is held.
    fn is_as_at_the_end(&self, instant: Instant) -> bool {
        let later = self.events.actions().get(instant.events()..).unwrap_or_default();
        later.iter().all(|action| {
            matches!(action, Action::OutOfMemory | Action::Snapshot | Action::Annotate)
        })
    }
}

/// What in a final segment does not add up.
fn doubt(segment: &FinalSegment) -> Option<Note> {
    let covered: Bytes = segment.blocks.iter().map(|block| block.size).sum();
    let held = segment.blocks.iter().filter(|block| block.state == BlockState::Allocated);
    let held: Bytes = held.map(|block| block.size).sum();
    let place = segment.addr;
    if !segment.blocks.is_empty() && covered != segment.size {
        let text =
            format!("the blocks of the segment at {place} cover {covered} of {}", segment.size);
        return Some(Note::contradiction("blocks-do-not-fill", text));
    }
    let said = segment.allocated.filter(|&said| said != held)?;
    let text = format!("the segment at {place} says {said} are allocated, its blocks say {held}");
    Some(Note::contradiction("allocated-sums-differ", text))
}
