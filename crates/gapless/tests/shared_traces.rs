//! Every recording of the folder that `GAPLESS_TRACES` names, held against what is known of it.
//!
//! The folder is too large and too foreign to live in the repository: `real/` are snapshots others
//! took on real devices, with a manifest of independently computed figures; `recorded/` are our
//! own; the rest are formats that must be refused by name.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder, or nothing where none was named.
fn traces() -> Option<PathBuf> {
    let folder = std::env::var_os("GAPLESS_TRACES");
    if folder.is_none() {
        // Unlike `println!`, this is seen when the test passes.
        let _ = writeln!(std::io::stdout(), "skipped: GAPLESS_TRACES is not set");
    }
    folder.map(PathBuf::from)
}

/// The exit code, the facts where there are any, and what was said besides.
fn explain(path: &Path) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gapless"))
        .args(["explain", "--format", "json"])
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    let facts = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), facts, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The facts of a recording that has to be explained.
fn facts(path: &Path) -> Value {
    let (code, facts, said) = explain(path);
    assert_eq!(code, Some(0), "{}: {said}", path.display());
    facts
}

/// The files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}"));
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Both numbers of the manifest and of the facts, by the manifest's key.
fn check_figures(entry: &Value, facts: &Value) {
    let device = &facts["devices"][0];
    let (start, peak, end) = (&device["start"], &device["peak"], &device["end"]);
    let told = [
        ("start_live_requested", &start["requested_bytes"]),
        ("start_reserved", &start["reserved_bytes"]),
        ("peak_live_requested", &peak["requested_bytes"]),
        ("peak_reserved", &peak["reserved_bytes"]),
        ("end_live_requested", &end["requested_bytes"]),
        ("end_live_allocated", &end["allocated_bytes"]),
        ("end_reserved", &end["reserved_bytes"]),
        ("largest_free_block_end", &end["largest_gap_bytes"]),
        ("segments", &end["segments"]),
        ("events", &device["events"]),
    ];
    for (key, told) in told {
        if entry[key].is_number() {
            assert_eq!(*told, entry[key], "{key} of {}", entry["file"]);
        }
    }
    assert_eq!(device["consistent"], true, "{}: {}", entry["file"], facts["recording"]["notes"]);
}

#[test]
fn real_snapshots_agree_with_their_manifest() {
    let Some(folder) = traces() else { return };
    let real = folder.join("real");
    let manifest = std::fs::read(real.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut kinds = 0;
    for entry in manifest.as_array().unwrap() {
        let facts = facts(&real.join(entry["file"].as_str().unwrap()));
        match entry["kind"].as_str().unwrap() {
            "complete" | "train" | "inference" | "expandable" | "state" => {
                check_figures(entry, &facts);
            }
            "fixture" => {
                let device = &facts["devices"][0];
                assert_eq!(device["consistent"], false, "{}", entry["file"]);
                assert_eq!(facts["recording"]["consistent"], false, "{}", entry["file"]);
                assert_eq!(device["verdict"]["kind"], "cannot_tell", "{}", entry["file"]);
            }
            other => panic!("an unknown kind of recording: {other}"),
        }
        kinds += 1;
    }
    assert_eq!(kinds, 29);
}

#[test]
fn our_own_recordings_are_consistent_and_fail_as_they_did() {
    let Some(folder) = traces() else { return };
    let all = files(&folder.join("recorded"));
    let snapshots = all.iter().filter(|path| name(path).contains(".pickle"));
    let mut count = 0;
    for path in snapshots {
        let facts = facts(path);
        let device = &facts["devices"][0];
        assert_eq!(device["consistent"], true, "{}", facts["recording"]["notes"]);
        let failed = name(path).contains("default_oom");
        assert_eq!(!device["failure"].is_null(), failed, "{}", name(path));
        let expected = if failed { "fragmentation" } else { "fits" };
        assert_eq!(device["verdict"]["kind"], expected, "{}", name(path));
        count += 1;
    }
    assert_eq!(count, 10);
}

#[test]
fn operation_lists_are_read() {
    let Some(folder) = traces() else { return };
    let lists = files(&folder.join("../oracle/ops"));
    assert_eq!(lists.len(), 9);
    for path in lists {
        let facts = facts(&path);
        assert_eq!(facts["recording"]["format"], "operation-list", "{}", name(&path));
        assert_eq!(facts["devices"][0]["consistent"], true, "{}", name(&path));
        assert_ne!(facts["devices"][0]["peak"]["requested_bytes"], 0, "{}", name(&path));
    }
}

#[test]
fn other_formats_are_refused_by_name() {
    let Some(folder) = traces() else { return };
    let problems = ["minimalloc", "idealloc"].map(|name| files(&folder.join(name)));
    let problems = problems.into_iter().flatten().filter(|path| name(path).contains(".csv"));
    let problems = problems.map(|path| (path, "a planning problem"));
    let real = folder.join("real");
    let others = [
        ("kineto-resnet50-workers0.pt.trace.json.gz", "a profiler trace"),
        ("hta-rank-memory-addr.json.gz", "a profiler trace"),
        ("hta-memory_timeline.raw.gz", "a profiler's memory timeline"),
        ("vma-dump-rx6600xt.json", "a memory dump of a graphics allocator"),
    ];
    let others = others.map(|(name, what)| (real.join(name), what));
    let mut count = 0;
    for (path, what) in problems.chain(others) {
        let (code, _, said) = explain(&path);
        assert_eq!(code, Some(2), "{}", name(&path));
        assert!(said.contains(&format!("because: it is {what}")), "{}: {said}", name(&path));
        count += 1;
    }
    assert_eq!(count, 20);
}
