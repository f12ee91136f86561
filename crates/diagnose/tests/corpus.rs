//! The fuzzers' corpus, replayed: whatever the bytes, the way from file to diagnosis ends in an
//! answer. Every file is tried whole, cut off at every byte, and with bytes changed.

#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

use std::path::{Path, PathBuf};

use gapless_diagnose::{Diagnosis, Question, Sites};
use gapless_formats::{Limits, read};
use gapless_trace::Trace;
use proptest::prelude::*;

/// Reads, rebuilds and diagnoses, at the end and at the start.
fn explain(bytes: Vec<u8>) {
    let Ok(recording) = read(bytes, &Limits::default()) else { return };
    let sites = Sites::of(&recording.stacks);
    for device in recording.devices.into_iter().chain(recording.pinned_host) {
        let Ok(trace) = Trace::rebuild(device) else { continue };
        for at in [None, Some(gapless_trace::Instant::START)] {
            let question =
                Question { at, framework: recording.framework.as_ref(), ..Question::default() };
            let diagnosis = Diagnosis::of(&trace, &recording.stacks, &sites, &question);
            let ledger = diagnosis.ledger;
            assert_eq!(ledger.reserved(), diagnosis.state.reserved());
        }
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
        explain(bytes);
    }
}

#[test]
fn every_beginning_of_a_file_gets_an_answer() {
    for (_, bytes) in corpus() {
        for end in 0..bytes.len().min(4096) {
            explain(bytes[..end].to_vec());
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
        explain(bytes);
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let pickle = [b"\x80\x04".as_slice(), &bytes].concat();
        explain(bytes);
        explain(pickle);
    }
}
