//! Which blocks were alive when: the events undone from the last to the first.
//!
//! The final segments say which blocks are alive at the end. Undoing an `alloc` takes a block
//! away, undoing a completed free brings one back; what is left at the first event was alive
//! before it. This is how PyTorch's own viewer does it (`simulate_memory` in `MemoryViz.js`), and
//! the only way that works when the recording began late or its ring of events overflowed.

use gapless_units::Addr;
use rustc_hash::FxHashMap;

use super::tally::Tally;
use crate::allocation::{Allocation, Subjects};
use crate::event::{Action, Event};
use crate::instant::Instant;
use crate::note::Note;
use crate::recording::DeviceRecording;
use crate::segment::{BlockState, FinalBlock, FinalSegment};
use crate::stacks::StackId;

/// The allocations of a trace, by birth and then by address, and which event is about which.
#[derive(Debug)]
pub(crate) struct Lifetimes {
    pub(crate) allocations: Vec<Allocation>,
    pub(crate) subjects: Subjects,
}

/// Undoes all events of a recording.
pub(crate) fn undo_allocations(recording: &DeviceRecording, notes: &mut Vec<Note>) -> Lifetimes {
    let events = &recording.events;
    let mut undo = Undo::new(recording);
    for segment in recording.end.iter().flatten() {
        for block in &segment.blocks {
            undo.start_from(segment, block);
        }
    }
    for index in (0..events.len()).rev() {
        let event = events.get(index);
        match event.action {
            Action::Alloc => undo.alloc(index, &event),
            Action::FreeRequested => undo.free_requested(index, &event),
            Action::FreeCompleted => undo.free_completed(index, &event),
            Action::RecordStream => undo.record_stream(index, &event),
            Action::SegmentAlloc
            | Action::SegmentFree
            | Action::SegmentMap
            | Action::SegmentUnmap
            | Action::OutOfMemory
            | Action::Snapshot
            | Action::Annotate
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => {}
        }
    }
    undo.finish(notes)
}

/// The walk backwards: the allocations met so far and those alive at the current instant.
struct Undo<'a> {
    recording: &'a DeviceRecording,
    /// Behind the last instant: the death of what is alive at the end.
    end: Instant,
    /// Whether the trace has both halves of a free; some recorders leave one of the two out.
    frees_complete: bool,
    frees_requested: bool,
    met: Vec<Allocation>,
    alive: FxHashMap<Addr, u32>,
    subjects: Vec<u32>,
    stacks_of_frees: StacksOfFrees,
    lost: Tally,
    doubled: Tally,
    resized: Tally,
}

impl<'a> Undo<'a> {
    fn new(recording: &'a DeviceRecording) -> Self {
        let count = recording.events.len();
        let actions = recording.events.actions();
        Self {
            recording,
            end: Instant::after(count),
            frees_complete: actions.contains(&Action::FreeCompleted),
            frees_requested: actions.contains(&Action::FreeRequested),
            met: Vec::with_capacity(count / 3),
            alive: FxHashMap::default(),
            subjects: vec![Subjects::NOBODY; count],
            stacks_of_frees: StacksOfFrees::default(),
            lost: Tally::default(),
            doubled: Tally::default(),
            resized: Tally::default(),
        }
    }

    /// A block of the final state.
    fn start_from(&mut self, segment: &FinalSegment, block: &FinalBlock) {
        let let_go = match block.state {
            BlockState::Allocated => self.end,
            BlockState::PendingFree => Instant::START,
            BlockState::Inactive => return,
        };
        self.revive(Allocation {
            addr: block.addr,
            requested: block.requested,
            size: block.size,
            stream: segment.stream,
            stack: block.stack,
            born: Instant::START,
            let_go,
            freed: self.end,
        });
    }

    fn revive(&mut self, allocation: Allocation) -> u32 {
        let id = u32::try_from(self.met.len()).unwrap_or(Subjects::NOBODY);
        self.alive.insert(allocation.addr, id);
        self.met.push(allocation);
        id
    }

    fn alloc(&mut self, index: usize, event: &Event) {
        let Some(id) = self.alive.remove(&event.addr) else {
            if self.recording.end.is_none() {
                let id = self.revive(never_freed(event, self.end));
                self.alive.remove(&event.addr);
                self.give_birth(index, event, id);
            } else {
                self.lost.add(|| format!("event {index}, {} at {}", event.size, event.addr));
            }
            return;
        };
        self.give_birth(index, event, id);
    }

    fn give_birth(&mut self, index: usize, event: &Event, id: u32) {
        let allocation = &mut self.met[id as usize];
        if allocation.requested != event.size {
            let freed = allocation.requested;
            self.resized.add(|| {
                format!(
                    "event {index} asked for {} bytes and {} ended",
                    event.size.get(),
                    freed.get()
                )
            });
        }
        allocation.born = Instant::after(index);
        allocation.let_go = allocation.let_go.max(allocation.born);
        allocation.stream = event.stream;
        if event.stack.is_some() {
            if allocation.freed != self.end {
                self.stacks_of_frees.compare(allocation.stack, event.stack);
            }
            allocation.stack = event.stack;
        }
        self.subjects[index] = id;
    }

    fn free_completed(&mut self, index: usize, event: &Event) {
        let freed = Instant::after(index);
        if self.alive.contains_key(&event.addr) {
            self.doubled.add(|| format!("event {index} at {}", event.addr));
            return;
        }
        // Until its request is met, which may have been before the recording.
        let requested_early = self.frees_requested && event.action == Action::FreeCompleted;
        let let_go = if requested_early { Instant::START } else { freed };
        let allocation = Allocation { let_go, freed, ..never_freed(event, self.end) };
        self.subjects[index] = self.revive(allocation);
    }

    fn free_requested(&mut self, index: usize, event: &Event) {
        let Some(&id) = self.alive.get(&event.addr) else {
            if self.recording.end.is_none() {
                // Without a final state nothing says that the block still waits at the end.
                let let_go = Instant::after(index);
                let waiting = Allocation { let_go, ..never_freed(event, self.end) };
                self.subjects[index] = self.revive(waiting);
            } else if self.frees_complete {
                self.lost.add(|| format!("event {index}, free of {}", event.addr));
            } else {
                self.free_completed(index, event);
            }
            return;
        };
        let allocation = &mut self.met[id as usize];
        if allocation.freed != self.end && event.stack.is_some() {
            // The free of a block that another stream used completes in a later request, and has its stack.
            allocation.stack = event.stack;
        }
        if allocation.let_go == self.end {
            self.doubled.add(|| format!("event {index} at {}", event.addr));
            return;
        }
        allocation.let_go = Instant::after(index);
        self.subjects[index] = id;
    }

    fn record_stream(&mut self, index: usize, event: &Event) {
        let known = self.alive.get(&event.addr).copied();
        let never_freed = self.recording.end.is_none().then(|| never_freed(event, self.end));
        if let Some(id) = known.or_else(|| never_freed.map(|block| self.revive(block))) {
            self.subjects[index] = id;
        }
    }

    /// Puts the allocations in order of birth, and says what did not fit together.
    fn finish(mut self, notes: &mut Vec<Note>) -> Lifetimes {
        let mut oldest: Vec<u32> = self.alive.into_values().collect();
        if !self.stacks_of_frees.are_of_allocations() {
            for &id in &oldest {
                let older = &mut self.met[id as usize];
                if older.freed != self.end {
                    older.stack = StackId::NONE;
                }
            }
        }
        oldest.sort_by_key(|&id| self.met[id as usize].addr);
        let births = self.recording.events.actions().iter().zip(&self.subjects);
        let births =
            births.filter(|&(&action, &id)| action == Action::Alloc && id != Subjects::NOBODY);
        let order: Vec<u32> = oldest.into_iter().chain(births.map(|(_, &id)| id)).collect();

        let mut places = vec![Subjects::NOBODY; self.met.len()];
        for (place, &id) in (0..).zip(&order) {
            places[id as usize] = place;
        }
        let allocations = order.iter().map(|&id| self.met[id as usize]).collect();
        let place = |id: u32| places.get(id as usize).copied().unwrap_or(Subjects::NOBODY);
        let subjects = self.subjects.into_iter().map(place).collect();

        notes.extend(self.lost.note(
            Note::contradiction,
            "lost-blocks",
            "blocks that were neither freed nor alive at the end",
        ));
        notes.extend(self.doubled.note(
            Note::contradiction,
            "double-frees",
            "frees of blocks that stayed alive",
        ));
        notes.extend(self.resized.note(
            Note::contradiction,
            "size-mismatches",
            "blocks that ended with another size than they were asked for",
        ));
        Lifetimes { allocations, subjects: Subjects::new(subjects) }
    }
}

/// Whether a free has the stack of its block's allocation, as PyTorch's recorder writes with
/// `context="alloc"`; with `"all"`, the default, it has that of the free itself.
#[derive(Debug, Default)]
struct StacksOfFrees {
    some_are_alike: bool,
    some_differ: bool,
}

impl StacksOfFrees {
    fn compare(&mut self, free: StackId, allocation: StackId) {
        if free.is_some() {
            self.some_are_alike |= free == allocation;
            self.some_differ |= free != allocation;
        }
    }

    /// Where no block came and went nothing tells, and a wrong stack is worse than none.
    fn are_of_allocations(&self) -> bool {
        self.some_are_alike && !self.some_differ
    }
}

/// The allocation an event names, as if it lived from before the recording to its end.
fn never_freed(event: &Event, end: Instant) -> Allocation {
    Allocation {
        addr: event.addr,
        requested: event.size,
        size: event.size,
        stream: event.stream,
        stack: event.stack,
        born: Instant::START,
        let_go: end,
        freed: end,
    }
}
