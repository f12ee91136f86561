//! Refuses what cannot be, before anything is computed from it.
//!
//! After this step every extent lies inside the address space and is no larger than a device can
//! be, the segments of the end are sorted and disjoint, and their blocks and pinned pages are sorted,
//! disjoint and inside their segment.

use gapless_units::{Addr, Bytes, Extent};

use super::tally::Tally;
use crate::event::{Action, Events};
use crate::note::Note;
use crate::recording::DeviceRecording;
use crate::segment::FinalSegment;

/// The bytes at `addr`, where a device can have them.
fn extent(addr: Addr, size: Bytes) -> Option<Extent> {
    Extent::new(addr, size).ok().filter(|_| size <= DeviceRecording::LARGEST_SIZE)
}

/// The sum of all sizes in a recording that was admitted.
pub(crate) fn total_bytes(recording: &DeviceRecording) -> u128 {
    let of_events = recording
        .events
        .iter()
        .filter(|event| has_extent(event.action))
        .map(|event| u128::from(event.size.get()));
    let segments = recording.end.as_deref().unwrap_or_default();
    let of_segments = segments.iter().map(|segment| u128::from(segment.size.get()));
    let of_blocks = segments.iter().flat_map(|segment| &segment.blocks);
    let of_blocks =
        of_blocks.map(|block| u128::from(block.size.get()) + u128::from(block.requested.get()));
    of_events.chain(of_segments).chain(of_blocks).sum()
}

/// Removes impossible extents from a recording and says so in `notes`.
pub(crate) fn admit(recording: &mut DeviceRecording, notes: &mut Vec<Note>) {
    admit_events(&mut recording.events, notes);
    if let Some(segments) = &mut recording.end {
        admit_segments(segments, notes);
        for segment in segments {
            admit_blocks(segment, notes);
            admit_pinned(segment, notes);
        }
    }
}

fn admit_events(events: &mut Events, notes: &mut Vec<Note>) {
    let mut outside = Tally::default();
    for index in 0..events.len() {
        let event = events.get(index);
        let failed = event.action == Action::OutOfMemory;
        let misplaced = has_extent(event.action) && extent(event.addr, event.size).is_none();
        if misplaced
            || failed && DeviceRecording::LARGEST_SIZE < event.device_free().max(event.size)
        {
            outside.add(|| format!("event {index}, {} at {}", event.size, event.addr));
            events.disregard(index);
        }
    }
    notes.extend(outside.note(
        Note::contradiction,
        "impossible-extent",
        "events that no device can have had, left out",
    ));
}

/// Whether the address and the size of such an event name bytes of the device.
fn has_extent(action: Action) -> bool {
    match action {
        Action::Alloc
        | Action::FreeRequested
        | Action::FreeCompleted
        | Action::SegmentAlloc
        | Action::SegmentFree
        | Action::SegmentMap
        | Action::SegmentUnmap => true,
        Action::OutOfMemory
        | Action::Snapshot
        | Action::Annotate
        | Action::RecordStream
        | Action::EmptyCache
        | Action::Synchronize
        | Action::Unknown => false,
    }
}

fn admit_segments(segments: &mut Vec<FinalSegment>, notes: &mut Vec<Note>) {
    let mut refused = Tally::default();
    segments.sort_by_key(|segment| segment.addr);
    let mut end = Addr::default();
    segments.retain(|segment| {
        let placed = extent(segment.addr, segment.size).filter(|placed| end <= placed.start());
        end = placed.map_or(end, Extent::end);
        if placed.is_none() {
            refused.add(|| format!("{} at {}", segment.size, segment.addr));
        }
        placed.is_some()
    });
    notes.extend(refused.note(
        Note::contradiction,
        "overlapping-segments",
        "segments that overlap another or that no device can have had, left out",
    ));
}

fn admit_blocks(segment: &mut FinalSegment, notes: &mut Vec<Note>) {
    let place = segment.addr;
    let whole = Extent::between(segment.addr, segment.addr + segment.size);
    let mut refused = Tally::default();
    segment.blocks.sort_by_key(|block| block.addr);
    let mut end = segment.addr;
    segment.blocks.retain(|block| {
        let placed = extent(block.addr, block.size)
            .filter(|placed| end <= placed.start() && whole.contains(*placed))
            .filter(|_| block.requested <= DeviceRecording::LARGEST_SIZE);
        end = placed.map_or(end, Extent::end);
        if placed.is_none() {
            refused.add(|| format!("{} at {}", block.size, block.addr));
        }
        placed.is_some()
    });
    notes.extend(refused.note(
        Note::contradiction,
        "impossible-blocks",
        &format!("blocks of the segment at {place} that overlap another or leave it, left out"),
    ));
}

fn admit_pinned(segment: &mut FinalSegment, notes: &mut Vec<Note>) {
    let place = segment.addr;
    let whole = Extent::between(segment.addr, segment.addr + segment.size);
    let mut refused = Tally::default();
    segment.pinned.sort();
    let mut end = segment.addr;
    segment.pinned.retain(|&pinned| {
        let fits = end <= pinned.start() && whole.contains(pinned);
        if fits {
            end = pinned.end();
        } else {
            refused.add(|| format!("{} at {}", pinned.size(), pinned.start()));
        }
        fits
    });
    notes.extend(refused.note(
        Note::contradiction,
        "impossible-pins",
        &format!(
            "pinned pages of the segment at {place} that overlap others or leave it, left out"
        ),
    ));
}
