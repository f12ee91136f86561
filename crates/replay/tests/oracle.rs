//! Every outcome that PyTorch's own allocator had, over a stand-in device, on lists of operations.
//!
//! Runs where `GAPLESS_ORACLE` names a folder with `ops/` (the lists) and `truth/` (for each list,
//! configuration and capacity one outcome); does nothing elsewhere.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "the outcomes lie in files beside the project")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use gapless_allocator::{Happening, Observer, Statistics};
use gapless_device::{Completion, Placement};
use gapless_replay::{OnFailure, Program, Setup, Start, Watcher, run_watched};
use gapless_trace::{Action, BlockState, FinalSegment, Settings, Trace};
use gapless_units::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// An outcome as the oracle wrote it.
#[derive(Deserialize)]
struct Truth {
    ops: String,
    config: String,
    capacity: u64,
    context: u64,
    event_queries: u32,
    memory_fraction: Option<f64>,
    va_policy: String,
    operations_done: usize,
    on_oom: String,
    ooms: Vec<OutOfMemory>,
    peak: BTreeMap<String, u64>,
    r#final: BTreeMap<String, u64>,
    stats: BTreeMap<String, i64>,
    final_segments: Vec<Segment>,
    events: Option<usize>,
    events_sha256: Option<String>,
    events_digest_each_1000: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OutOfMemory {
    op: usize,
    size: u64,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Segment {
    address: u64,
    total_size: u64,
    stream: u64,
    r#type: String,
    expandable: bool,
    allocated_size: u64,
    blocks: Vec<(u64, u64, u64, String)>,
}

/// Digests the events as the oracle does.
#[derive(Default)]
struct Digester {
    hash: Sha256,
    line: String,
    count: usize,
    marks: Vec<String>,
}

impl Observer for Digester {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, stream, .. } = happening;
        let word = match action {
            Action::Alloc => "alloc",
            Action::FreeRequested => "free_requested",
            Action::FreeCompleted => "free_completed",
            Action::SegmentAlloc => "segment_alloc",
            Action::SegmentFree => "segment_free",
            Action::SegmentMap => "segment_map",
            Action::SegmentUnmap => "segment_unmap",
            Action::OutOfMemory => "oom",
            Action::Snapshot
            | Action::Annotate
            | Action::RecordStream
            | Action::EmptyCache
            | Action::Synchronize
            | Action::Unknown => panic!("the allocator does not tell of {action:?}"),
        };
        self.line.clear();
        let _ = writeln!(self.line, "{word},{},{},{}", addr.get(), size.get(), stream.0);
        self.hash.update(&self.line);
        self.count += 1;
        if self.count.is_multiple_of(1000) {
            self.marks.push(hex(&self.hash.clone().finalize())[..16].to_owned());
        }
    }
}

impl Watcher for Digester {
    fn next_operation(&mut self, _: &Program, _: usize) {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

fn program_of(path: &Path) -> Program {
    let bytes = std::fs::read(path).unwrap();
    let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default()).unwrap();
    let device = recording.devices.into_iter().next().unwrap();
    Program::of(&Trace::rebuild(device).unwrap())
}

fn setup_of(truth: &Truth) -> Setup {
    let settings = Settings::parse(&truth.config).unwrap();
    Setup {
        capacity: Some(Bytes::new(truth.capacity)),
        outside: Bytes::new(truth.context),
        on_failure: if truth.on_oom == "skip" { OnFailure::Skip } else { OnFailure::Stop },
        completion: Completion::AfterQueries(truth.event_queries),
        placement: match truth.va_policy.as_str() {
            "down" => Placement::HighestFirst,
            _ => Placement::LowestFirst,
        },
        ..Setup::new(settings)
    }
}

fn segment_of(segment: &FinalSegment) -> Segment {
    let blocks = segment.blocks.iter().map(|block| {
        let state = match block.state {
            BlockState::Allocated => "active_allocated",
            BlockState::PendingFree => "active_pending_free",
            BlockState::Inactive => "inactive",
        };
        let offset = (block.addr - segment.addr).get();
        (offset, block.size.get(), block.requested.get(), state.to_owned())
    });
    Segment {
        address: segment.addr.get(),
        total_size: segment.size.get(),
        stream: segment.stream.0,
        r#type: segment.size_pool.word().to_owned(),
        expandable: segment.expandable,
        allocated_size: segment.allocated.unwrap_or_default().get(),
        blocks: blocks.collect(),
    }
}

/// Everything that is counted, under PyTorch's names.
fn counted(statistics: &Statistics) -> Vec<(String, u64)> {
    let mut counted = Vec::new();
    for (name, statistic) in statistics.by_pool() {
        for (pool, change) in [
            ("all", statistic.all),
            ("small_pool", statistic.small_pool),
            ("large_pool", statistic.large_pool),
        ] {
            for (metric, value) in [
                ("current", change.current),
                ("peak", change.peak),
                ("allocated", change.allocated),
                ("freed", change.freed),
            ] {
                counted.push((format!("{name}.{pool}.{metric}"), value));
            }
        }
    }
    counted.extend(statistics.counters().map(|(name, value)| (name.to_owned(), value)));
    counted
}

/// What differs between an outcome and its replay.
fn differences(truth: &Truth, program: &Program) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            differences.push(format!("{what}: {theirs} there, {ours} here"));
        }
    };
    assert_eq!(truth.memory_fraction, None);
    let start = Start::empty();
    let run = run_watched(program, &start, &setup_of(truth), Digester::default()).unwrap();
    let outcome = &run.outcome;
    differ("operations", truth.operations_done.to_string(), outcome.operations.to_string());
    let theirs: Vec<_> = truth.ooms.iter().map(|oom| (oom.op, oom.size)).collect();
    let ours: Vec<_> = outcome.failures.iter().map(|f| (f.operation, f.requested.get())).collect();
    differ("failures", format!("{theirs:?}"), format!("{ours:?}"));
    for (name, ours) in counted(&outcome.statistics) {
        differ(&name, truth.stats[&name].to_string(), ours.to_string());
    }
    for (name, ours) in [
        ("allocated_bytes", outcome.peak.allocated),
        ("active_bytes", outcome.peak.active),
        ("reserved_bytes", outcome.peak.reserved),
        ("requested_bytes", outcome.peak.requested),
    ] {
        differ(name, truth.peak[name].to_string(), ours.get().to_string());
    }
    differ(
        "reserved at the end",
        truth.r#final["reserved_bytes"].to_string(),
        outcome.end.reserved.get().to_string(),
    );
    let ours: Vec<Segment> = run.allocator.segments().iter().map(segment_of).collect();
    if ours != truth.final_segments {
        let first = ours.iter().zip(&truth.final_segments).find(|(a, b)| a != b);
        differ("segments", String::new(), format!("{first:?}"));
    }
    let (_, digester) = run.allocator.into_parts();
    if let Some(count) = truth.events {
        differ("events", count.to_string(), digester.count.to_string());
    }
    if let Some(marks) = &truth.events_digest_each_1000 {
        let first = digester.marks.iter().zip(marks).position(|(a, b)| a != b);
        differ(
            "first thousand events that differ",
            format!("{:?}", None::<usize>),
            format!("{first:?}"),
        );
    }
    if let Some(sha256) = &truth.events_sha256 {
        differ("digest", sha256.clone(), hex(&digester.hash.finalize()));
    }
    differences
}

#[test]
fn every_outcome_is_predicted() {
    let Some(folder) = std::env::var_os("GAPLESS_ORACLE").map(PathBuf::from) else { return };
    let mut truths: Vec<PathBuf> = std::fs::read_dir(folder.join("truth"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".json.gz"))
        .collect();
    truths.sort();
    assert!(!truths.is_empty(), "there are outcomes in {}", folder.display());
    let mut programs = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in &truths {
        let truth: Truth = serde_json::from_slice(&unpacked(path)).unwrap();
        let program = programs
            .entry(truth.ops.clone())
            .or_insert_with(|| program_of(&folder.join("ops").join(&truth.ops)));
        let differences = differences(&truth, program);
        if !differences.is_empty() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("{name}\n    {}", differences.join("\n    ")));
        }
    }
    println!("{} outcomes, {} of them predicted", truths.len(), truths.len() - wrong.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
