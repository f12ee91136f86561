//! Recordings replayed under their own settings: every address and every segment comes back.
//!
//! Those of the project always; those of the folder that `GAPLESS_TRACES` names where it is named.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "recordings are files")]

use std::path::{Path, PathBuf};

use gapless_replay::{Check, Operation, Program, Setup, Start, run};
use gapless_trace::{Settings, Trace};
use gapless_units::Bytes;

/// The placed traces of a file, with the check of each; nothing where the file is no recording.
fn checks(path: &Path) -> Vec<(Trace, Check)> {
    let bytes = std::fs::read(path).unwrap();
    let limits = gapless_formats::Limits::default();
    let Ok(recording) = gapless_formats::read(bytes, &limits) else { return Vec::new() };
    let framework = recording.framework;
    let traces = recording.devices.into_iter().map(|device| Trace::rebuild(device).unwrap());
    let placed = traces.filter(|trace| trace.is_placed() && trace.is_consistent());
    let check = |trace: Trace| {
        let program = Program::of(&trace);
        let settings = trace.settings.clone().unwrap_or_default();
        let check = Check::of(&trace, &program, &settings, framework.as_ref());
        let check = check.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (trace, check)
    };
    placed.map(check).collect()
}

/// Every file in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// How many recordings, events, allocations and segment events were compared.
#[derive(Default, Debug, PartialEq)]
struct Compared {
    recordings: usize,
    events: usize,
    allocs: usize,
    segment_events: usize,
}

fn check_folder(folder: &Path) -> Compared {
    let mut compared = Compared::default();
    for path in files(folder) {
        for (_, check) in checks(&path) {
            let fidelity = check.fidelity;
            assert!(
                fidelity.is_exact(),
                "{} by the rules of {}: {} of {} events, first {:?}",
                path.display(),
                check.release,
                fidelity.equal,
                fidelity.events,
                fidelity.first_difference
            );
            compared.recordings += 1;
            compared.events += fidelity.events;
            compared.allocs += fidelity.allocs;
            compared.segment_events += fidelity.segment_events;
        }
    }
    compared
}

#[test]
fn the_recordings_of_the_project_come_back_exactly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    let compared = check_folder(&folder);
    assert!(12 <= compared.recordings && 800_000 < compared.events, "{compared:?}");
}

#[test]
fn every_consistent_recording_comes_back_exactly() {
    let Some(folder) = std::env::var_os("GAPLESS_TRACES").map(PathBuf::from) else { return };
    let real = check_folder(&folder.join("real"));
    println!("taken on real devices: {real:?}");
    assert_eq!((real.recordings, real.allocs, real.segment_events), (28, 90970, 1695));
    let recorded = check_folder(&folder.join("recorded"));
    println!("recorded by us: {recorded:?}");
    assert_eq!(recorded.recordings, 10);
}

/// A program was recorded on a card under default settings, again with less memory, where it died, and
/// under other settings: what it did there is what the first recording foretells.
#[test]
fn what_was_foretold_came_true_on_a_card() {
    let recording = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
        checks(&folder.join(name)).pop().unwrap()
    };
    let (before, check) = recording("llama_varlen.h200.pickle.gz");
    let (cured, _) = recording("llama_varlen.h200_expandable.pickle.gz");
    let (died, _) = recording("llama_varlen.h200_oom.pickle.gz");
    let foretold = |settings: &Settings| {
        let capacity = Some(Bytes::gib(46));
        let (release, outside) = (check.release, Bytes::ZERO);
        let setup = Setup { release, capacity, outside, ..Setup::new(settings.clone()) };
        run(&Program::of(&before), &Start::of(&before), &setup).unwrap()
    };
    let cure = foretold(cured.settings.as_ref().unwrap());
    assert!(cure.completed());
    assert_eq!(cure.peak.reserved, cured.peak_totals().reserved);
    assert!(cure.peak.reserved < before.peak_totals().reserved);

    let foretold = &foretold(&Settings::default()).failures[0];
    let died = Program::of(&died);
    let is_failure = |operation: &Operation| matches!(operation, Operation::Fail(_));
    let at = died.operations.iter().position(is_failure).unwrap();
    let Operation::Fail(request) = died.operations[at] else { unreachable!() };
    assert_eq!(foretold.operation, at);
    assert_eq!(foretold.requested, died.requests[request.index()].size);
}

/// A fidelity that cannot fall would say nothing.
#[test]
fn wrong_settings_and_a_wrong_release_show() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    let mut shown = 0;
    for path in files(&folder) {
        for (trace, right) in checks(&path) {
            let program = Program::of(&trace);
            let settings = trace.settings.clone().unwrap_or_default();
            let turned =
                Settings { expandable_segments: !settings.expandable_segments, ..settings };
            let wrong = Check::by(&trace, &program, &turned, right.release).unwrap();
            if right.fidelity.segment_events == 0 {
                continue;
            }
            assert!(!wrong.fidelity.is_exact(), "{}", path.display());
            let difference = wrong.fidelity.first_difference.unwrap();
            assert!(!difference.explanation.is_empty());
            shown += 1;
        }
    }
    assert!(0 < shown);
}
