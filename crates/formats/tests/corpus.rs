//! The fuzzers' corpus through the reader alone: whole, cut off, and changed.

#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

use std::path::PathBuf;

use gapless_formats::{Limits, read};
use proptest::prelude::*;

/// The files of all targets, by the target's name and their own.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut files = Vec::new();
    for target in ["recording", "pickle", "json", "operations"] {
        let entries = std::fs::read_dir(folder.join(target));
        for entry in entries.unwrap_or_else(|error| panic!("{target}: {error}")) {
            let entry = entry.unwrap_or_else(|error| panic!("{target}: {error}"));
            let name = format!("{target}/{}", entry.file_name().to_string_lossy());
            let bytes = std::fs::read(entry.path());
            files.push((name.clone(), bytes.unwrap_or_else(|error| panic!("{name}: {error}"))));
        }
    }
    files.sort();
    files
}

#[test]
fn no_beginning_of_a_snapshot_is_a_snapshot() {
    let mut cut = 0;
    for (name, bytes) in corpus() {
        let is_snapshot = read(bytes.clone(), &Limits::default()).is_ok();
        if !is_snapshot || !name.starts_with("recording/") {
            continue;
        }
        // The last line of the JSON file is empty; all others end with their last byte that counts.
        let whole = bytes.trim_ascii_end().len();
        for end in 0..whole {
            assert!(read(bytes[..end].to_vec(), &Limits::default()).is_err(), "{name} to {end}");
        }
        cut += 1;
    }
    assert!(12 <= cut, "{cut}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_files_get_an_answer(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        repeated in any::<Option<(prop::sample::Index, u8)>>(),
    ) {
        let files = corpus();
        let mut bytes = file.get(&files).1.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some((place, count)) = repeated {
            let start = place.index(bytes.len());
            let end = bytes.len().min(start + usize::from(count));
            let again = bytes[start..end].to_vec();
            bytes.splice(start..start, again);
        }
        let _ = read(bytes, &Limits::default());
    }

    #[test]
    fn any_bytes_get_an_answer(
        beginning in prop::sample::select(vec![
            &b""[..], b"\x80\x02", b"\x80\x04", b"(l", b"{", b"[", b"alloc,", b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = read([beginning, &bytes].concat(), &Limits::default());
    }
}
