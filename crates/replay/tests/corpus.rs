//! The fuzzers' corpus, replayed: whatever the bytes, a check of the recording and a replay under
//! other settings end in an answer. Every file is tried whole, cut off, and with bytes changed.

#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

use std::path::{Path, PathBuf};

use gapless_formats::{Limits, read};
use gapless_replay::{Check, OnFailure, Program, Setup, Start, run};
use gapless_trace::{Settings, Trace};
use gapless_units::Bytes;
use proptest::prelude::*;

/// Reads, rebuilds, checks, and replays in little memory.
fn replay(bytes: Vec<u8>) {
    let Ok(recording) = read(bytes, &Limits::default()) else { return };
    let framework = recording.framework;
    for device in recording.devices.into_iter().chain(recording.pinned_host) {
        let Ok(trace) = Trace::rebuild(device) else { continue };
        let program = Program::of(&trace);
        let settings = trace.settings.clone().unwrap_or_default();
        if trace.is_placed()
            && let Ok(check) = Check::of(&trace, &program, &settings, framework.as_ref())
        {
            assert!(check.fidelity.equal <= check.fidelity.events);
        }
        let setup = Setup {
            capacity: Some(Bytes::gib(1)),
            on_failure: OnFailure::Skip,
            ..Setup::new(Settings { expandable_segments: true, ..Settings::default() })
        };
        // A state that no allocator has is refused; everything else is replayed.
        let _ = run(&program, &Start::of(&trace), &setup);
        let anew = program.begun_anew();
        assert!(run(&anew, &Start::empty(), &setup).is_ok());
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut files = Vec::new();
    for file in entries(&folder).iter().flat_map(|target| entries(target)) {
        let bytes = std::fs::read(&file);
        let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        files.push((file, bytes));
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn every_file_gets_an_answer() {
    for (_, bytes) in corpus() {
        replay(bytes);
    }
}

#[test]
fn every_beginning_of_a_file_gets_an_answer() {
    for (_, bytes) in corpus() {
        for end in 0..bytes.len().min(4096) {
            replay(bytes[..end].to_vec());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_get_an_answer(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        removed in any::<Option<(prop::sample::Index, u8)>>(),
    ) {
        let files = corpus();
        let mut bytes = file.get(&files).1.clone();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        if let Some((place, count)) = removed.filter(|_| !bytes.is_empty()) {
            let start = place.index(bytes.len());
            let end = bytes.len().min(start + usize::from(count));
            bytes.drain(start..end);
        }
        replay(bytes);
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let pickle = [b"\x80\x04".as_slice(), &bytes].concat();
        replay(bytes);
        replay(pickle);
    }
}
