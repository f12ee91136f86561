//! Replays operation lists sent as JSON, one a line, and answers with everything that PyTorch's own
//! allocator can be asked about the same list (`fuzz/oracle/differential.py`).

#![expect(clippy::disallowed_methods, reason = "it reads what it is sent")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead;

use gapless_allocator::{Happening, Observer, Statistics};
use gapless_device::{Completion, Placement};
use gapless_replay::{OnFailure, Program, Setup, Start, Watcher, run_watched};
use gapless_trace::{Action, BlockState, FinalSegment, Settings, Trace};
use gapless_units::Bytes;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Job {
    list: String,
    settings: String,
    capacity: u64,
    outside: u64,
    queries: u32,
    down: bool,
    skip: bool,
}

#[derive(Serialize)]
struct Answer {
    events: Vec<(&'static str, u64, u64, u64)>,
    failures: Vec<(usize, u64)>,
    segments: Vec<Segment>,
    statistics: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Segment {
    address: u64,
    size: u64,
    stream: u64,
    pool: &'static str,
    expandable: bool,
    blocks: Vec<(u64, u64, u64, &'static str)>,
}

#[derive(Default)]
struct Events(Vec<(&'static str, u64, u64, u64)>);

impl Observer for Events {
    fn observe(&mut self, happening: Happening) {
        let word = match happening.action {
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
            | Action::Unknown => "other",
        };
        let Happening { addr, size, stream, .. } = happening;
        self.0.push((word, addr.get(), size.get(), stream.0));
    }
}

impl Watcher for Events {
    fn next_operation(&mut self, _: &Program, _: usize) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        println!("{}", serde_json::to_string(&answer(job)?)?);
    }
    Ok(())
}

fn answer(job: Job) -> Result<Answer, Box<dyn Error>> {
    let limits = gapless_formats::Limits::default();
    let recording = gapless_formats::read(job.list.into_bytes(), &limits)?;
    let device = recording.devices.into_iter().next().ok_or("no device")?;
    let program = Program::of(&Trace::rebuild(device)?);
    let setup = Setup {
        capacity: Some(Bytes::new(job.capacity)),
        outside: Bytes::new(job.outside),
        on_failure: if job.skip { OnFailure::Skip } else { OnFailure::Stop },
        completion: Completion::AfterQueries(job.queries),
        placement: if job.down { Placement::HighestFirst } else { Placement::LowestFirst },
        ..Setup::new(Settings::parse(&job.settings)?)
    };
    let run = run_watched(&program, &Start::empty(), &setup, Events::default())?;
    let failures = run.outcome.failures.iter().map(|f| (f.operation, f.requested.get())).collect();
    let segments = run.allocator.segments().iter().map(segment).collect();
    let statistics = counted(&run.outcome.statistics);
    let (_, events) = run.allocator.into_parts();
    Ok(Answer { events: events.0, failures, segments, statistics })
}

fn segment(segment: &FinalSegment) -> Segment {
    let state = |state| match state {
        BlockState::Allocated => "active_allocated",
        BlockState::PendingFree => "active_pending_free",
        BlockState::Inactive => "inactive",
    };
    let blocks = segment.blocks.iter();
    let blocks = blocks.map(|block| {
        let offset = (block.addr - segment.addr).get();
        (offset, block.size.get(), block.requested.get(), state(block.state))
    });
    Segment {
        address: segment.addr.get(),
        size: segment.size.get(),
        stream: segment.stream.0,
        pool: segment.size_pool.word(),
        expandable: segment.expandable,
        blocks: blocks.collect(),
    }
}

fn counted(statistics: &Statistics) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (name, statistic) in statistics.by_pool() {
        for (pool, change) in [
            ("all", statistic.all),
            ("small_pool", statistic.small_pool),
            ("large_pool", statistic.large_pool),
        ] {
            counted.insert(format!("{name}.{pool}.current"), change.current);
            counted.insert(format!("{name}.{pool}.peak"), change.peak);
            counted.insert(format!("{name}.{pool}.allocated"), change.allocated);
            counted.insert(format!("{name}.{pool}.freed"), change.freed);
        }
    }
    for (name, change) in [
        ("oversize_allocations", statistics.oversize_allocations),
        ("oversize_segments", statistics.oversize_segments),
    ] {
        counted.insert(format!("{name}.current"), change.current);
        counted.insert(format!("{name}.peak"), change.peak);
    }
    counted.extend(statistics.counters().map(|(name, value)| (name.to_owned(), value)));
    counted
}
