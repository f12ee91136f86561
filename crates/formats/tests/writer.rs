//! What is written is read back: every event, segment, stack, setting and annotation.

#![expect(clippy::disallowed_methods, reason = "recordings are files")]
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::path::Path;

use gapless_formats::{Limits, WriteError, read, write_snapshot};
use gapless_trace::{Event, FinalSegment, LabelId, Recording, StackId};

/// A stack written out, since two recordings number their stacks each in its own way.
fn stack(recording: &Recording, stack: StackId) -> Vec<(String, u32, String)> {
    let frames = recording.stacks.frames(stack);
    frames.map(|f| (f.file.to_owned(), f.line, f.function.to_owned())).collect()
}

fn check_events(first: &Recording, second: &Recording, a: &Event, b: &Event) {
    let bare = |event: &Event| Event { stack: StackId::NONE, label: LabelId::EMPTY, ..*event };
    assert_eq!(bare(a), bare(b));
    assert_eq!(first.stacks.text(a.label), second.stacks.text(b.label));
    assert_eq!(stack(first, a.stack), stack(second, b.stack));
}

fn bare(segment: &FinalSegment) -> FinalSegment {
    let mut segment = segment.clone();
    segment.stack = StackId::NONE;
    segment.blocks.iter_mut().for_each(|block| block.stack = StackId::NONE);
    segment
}

fn check_alike(first: &Recording, second: &Recording) {
    assert_eq!(first.devices.len(), second.devices.len());
    for (a, b) in first.devices.iter().zip(&second.devices) {
        assert_eq!(a.device, b.device);
        assert_eq!(a.settings, b.settings);
        assert_eq!(a.annotations.len(), b.annotations.len());
        assert_eq!(a.events.len(), b.events.len());
        for (x, y) in a.events.iter().zip(b.events.iter()) {
            check_events(first, second, &x, &y);
        }
        let (ours, theirs) = (a.end.as_deref().unwrap(), b.end.as_deref().unwrap());
        assert_eq!(ours.len(), theirs.len());
        for (x, y) in ours.iter().zip(theirs) {
            assert_eq!(bare(x), bare(y));
            assert_eq!(stack(first, x.stack), stack(second, y.stack));
            for (p, q) in x.blocks.iter().zip(&y.blocks) {
                assert_eq!(stack(first, p.stack), stack(second, q.stack));
            }
        }
    }
}

#[test]
fn the_recordings_of_the_project_come_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    let mut count = 0;
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| path.is_file()) {
        let bytes = std::fs::read(path).unwrap();
        let Ok(recording) = read(bytes, &Limits::default()) else { continue };
        let written = write_snapshot(&recording).unwrap();
        let again = read(written.clone(), &Limits::default()).unwrap();
        check_alike(&recording, &again);
        assert_eq!(write_snapshot(&again).unwrap(), written, "the same recording, the same bytes");
        count += 1;
    }
    assert!(5 <= count);
}

#[test]
fn a_list_of_operations_has_no_placement_to_write() {
    let recording = read(b"alloc,1,512,0\n".to_vec(), &Limits::default()).unwrap();
    let refused = write_snapshot(&recording).unwrap_err();
    assert!(matches!(refused, WriteError::Unplaced { .. }));
}
