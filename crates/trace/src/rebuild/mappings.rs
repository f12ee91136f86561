//! Which physical memory was held when: the segment events undone from the last to the first.

use std::collections::BTreeMap;

use gapless_units::{Addr, Bytes, Extent};

use super::tally::Tally;
use crate::event::{Action, Event};
use crate::instant::Instant;
use crate::mapping::Mapping;
use crate::note::Note;
use crate::recording::DeviceRecording;
use crate::segment::{FinalSegment, SizePool};
use crate::sizes::SizeRules;
use crate::stacks::StackId;

/// Undoes all segment events; the answer is sorted by birth and then by address.
pub(crate) fn undo_mappings(
    recording: &DeviceRecording,
    rules: &SizeRules,
    notes: &mut Vec<Note>,
) -> Vec<Mapping> {
    let events = &recording.events;
    let end = Instant::after(events.len());
    let mut undo =
        Undo { rules, held: BTreeMap::new(), done: Vec::new(), strange: Tally::default() };
    for segment in recording.end.iter().flatten() {
        undo.held.insert(segment.addr, held_at_end(segment, end));
    }
    for index in (0..events.len()).rev() {
        let action = events.actions()[index];
        match action {
            Action::SegmentAlloc => undo.segment_alloc(index, &events.get(index)),
            Action::SegmentFree => undo.segment_free(index, &events.get(index)),
            Action::SegmentMap => undo.segment_map(index, &events.get(index)),
            Action::SegmentUnmap => undo.segment_unmap(index, &events.get(index)),
            Action::Alloc
            | Action::FreeRequested
            | Action::FreeCompleted
            | Action::OutOfMemory
            | Action::Snapshot
            | Action::Annotate
            | Action::RecordStream
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => {}
        }
    }
    undo.finish(notes)
}

fn held_at_end(segment: &FinalSegment, end: Instant) -> Mapping {
    Mapping {
        extent: Extent::between(segment.addr, segment.addr + segment.size),
        stream: segment.stream,
        pool: segment.pool,
        size_pool: segment.size_pool,
        expandable: segment.expandable,
        stack: segment.stack,
        born: Instant::START,
        freed: end,
    }
}

/// The walk backwards: what is held at the current instant and what was met entirely.
struct Undo<'a> {
    rules: &'a SizeRules,
    held: BTreeMap<Addr, Mapping>,
    done: Vec<Mapping>,
    strange: Tally,
}

impl Undo<'_> {
    fn segment_alloc(&mut self, index: usize, event: &Event) {
        match self.held.remove(&event.addr) {
            Some(mapping) if mapping.extent.size() == event.size => {
                self.give_birth(index, event, mapping);
            }
            other => {
                if let Some(mapping) = other {
                    self.held.insert(event.addr, mapping);
                }
                self.complain(index, event, "asked of the device, and not there afterwards");
            }
        }
    }

    fn give_birth(&mut self, index: usize, event: &Event, mapping: Mapping) {
        let stack = if event.stack.is_some() { event.stack } else { mapping.stack };
        self.done.push(Mapping { born: Instant::after(index), stack, ..mapping });
    }

    fn segment_free(&mut self, index: usize, event: &Event) {
        let small = self.rules.segment_size(Bytes::new(1));
        let size_pool = if event.size <= small { SizePool::Small } else { SizePool::Large };
        self.hold(index, event, size_pool, false);
    }

    /// Cuts the newly mapped range out of what was mapped afterwards.
    fn segment_map(&mut self, index: usize, event: &Event) {
        let range = Extent::between(event.addr, event.addr + event.size);
        let mut covered = Bytes::ZERO;
        for mapping in self.overlapping(range) {
            self.held.remove(&mapping.extent.start());
            let extent = mapping.extent;
            let before = Extent::between(extent.start(), range.start().min(extent.end()));
            let after = Extent::between(range.end().max(extent.start()), extent.end());
            for rest in [before, after] {
                if !rest.is_empty() {
                    self.held.insert(rest.start(), Mapping { extent: rest, ..mapping });
                }
            }
            let inside =
                Extent::between(extent.start().max(range.start()), extent.end().min(range.end()));
            covered += inside.size();
            self.give_birth(index, event, Mapping { extent: inside, ..mapping });
        }
        if covered != range.size() {
            self.complain(index, event, "mapped, and not there afterwards");
        }
    }

    fn segment_unmap(&mut self, index: usize, event: &Event) {
        let end = event.addr + event.size;
        let before = self.held.range(..event.addr).next_back();
        let before = before.map(|(_, mapping)| mapping).filter(|m| m.extent.end() == event.addr);
        let neighbor = before.or_else(|| self.held.get(&end));
        let neighbor = neighbor.filter(|m| m.expandable && m.stream == event.stream);
        let whole_pages = event.size.get().is_multiple_of(self.rules.page(SizePool::Large).get());
        let guess = if whole_pages { SizePool::Large } else { SizePool::Small };
        let size_pool = neighbor.map_or(guess, |mapping| mapping.size_pool);
        self.hold(index, event, size_pool, true);
    }

    /// Brings memory back that the event gave to the device.
    fn hold(&mut self, index: usize, event: &Event, size_pool: SizePool, expandable: bool) {
        let extent = Extent::between(event.addr, event.addr + event.size);
        if self.overlapping(extent).next().is_some() {
            self.complain(index, event, "given back, and still held afterwards");
            return;
        }
        let mapping = Mapping {
            extent,
            stream: event.stream,
            pool: event.pool.unwrap_or_default(),
            size_pool,
            expandable,
            stack: StackId::NONE,
            born: Instant::START,
            freed: Instant::after(index),
        };
        self.held.insert(event.addr, mapping);
    }

    /// What is held in `range`, in the order of addresses.
    fn overlapping(&self, range: Extent) -> impl Iterator<Item = Mapping> + use<> {
        let first = self.held.range(..range.start()).next_back();
        let rest = self.held.range(range.start()..range.end().max(range.start()));
        let found: Vec<Mapping> = first
            .into_iter()
            .chain(rest)
            .map(|(_, mapping)| *mapping)
            .filter(|mapping| mapping.extent.overlaps(range))
            .collect();
        found.into_iter()
    }

    fn complain(&mut self, index: usize, event: &Event, what: &str) {
        self.strange.add(|| format!("event {index}, {} at {} {what}", event.size, event.addr));
    }

    fn finish(mut self, notes: &mut Vec<Note>) -> Vec<Mapping> {
        self.done.extend(self.held.into_values());
        self.done.sort_by_key(|mapping| (mapping.born, mapping.extent.start()));
        notes.extend(self.strange.note(
            Note::contradiction,
            "segment-events",
            "segment events that do not lead to the final segments",
        ));
        self.done
    }
}
