//! Refuses what cannot be, before anything is computed from it.
//!
//! After this step every extent lies inside the address space, the segments of the end are sorted
//! and disjoint, their blocks are sorted, disjoint and inside their segment, and all sizes of the
//! recording add up to less than 2^61 bytes, so that no sum of some of them overflows.

use gapless_units::{Addr, Extent};

use super::tally::Tally;
use crate::event::{Action, Events};
use crate::note::Note;
use crate::recording::DeviceRecording;
use crate::segment::FinalSegment;

/// The sum of all sizes in the recording.
pub(crate) fn total_bytes(recording: &DeviceRecording) -> u128 {
    let of_events = recording
        .events
        .iter()
        .filter(|event| event.action != Action::OutOfMemory)
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
        }
    }
}

fn admit_events(events: &mut Events, notes: &mut Vec<Note>) {
    let mut outside = Tally::default();
    for index in 0..events.len() {
        let event = events.get(index);
        if has_extent(event.action) && Extent::new(event.addr, event.size).is_err() {
            outside.add(|| format!("event {index}, {} at {}", event.size, event.addr));
            events.disregard(index);
        }
    }
    notes.extend(outside.note(
        Note::contradiction,
        "impossible-extent",
        "events reach past the last address and were left out",
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
        let extent = Extent::new(segment.addr, segment.size);
        match extent {
            Ok(extent) if end <= extent.start() => {
                end = extent.end();
                true
            }
            Ok(_) | Err(_) => {
                refused.add(|| format!("{} at {}", segment.size, segment.addr));
                false
            }
        }
    });
    notes.extend(refused.note(
        Note::contradiction,
        "overlapping-segments",
        "segments overlap another or reach past the last address and were left out",
    ));
}

fn admit_blocks(segment: &mut FinalSegment, notes: &mut Vec<Note>) {
    let place = segment.addr;
    let whole = Extent::between(segment.addr, segment.addr + segment.size);
    let mut refused = Tally::default();
    segment.blocks.sort_by_key(|block| block.addr);
    let mut end = segment.addr;
    segment.blocks.retain(|block| match Extent::new(block.addr, block.size) {
        Ok(extent) if end <= extent.start() && whole.contains(extent) => {
            end = extent.end();
            true
        }
        Ok(_) | Err(_) => {
            refused.add(|| format!("{} at {}", block.size, block.addr));
            false
        }
    });
    notes.extend(refused.note(
        Note::contradiction,
        "impossible-blocks",
        &format!("blocks of the segment at {place} overlap another or leave it and were left out"),
    ));
}
