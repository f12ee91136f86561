//! What is told of a replay, as JSON of the schema [`REPLAY_SCHEMA`].

use std::collections::BTreeMap;

use gapless_allocator::{AllocationError, Statistics};
use gapless_replay::{Failure, ReplayedBy};
use gapless_trace::{BlockState, FinalSegment};
use gapless_units::Bytes;
use serde::Serialize;

use super::fidelity::FidelityFacts;
use super::replayed::{Replayed, ReplayedRun};
use crate::examination::Examination;
use crate::facts::{
    AtFacts, DeviceFacts, LedgerFacts, Place, RecordingFacts, TotalsFacts, VerdictFacts,
};

/// The name and number of the schema.
pub const REPLAY_SCHEMA: &str = "gapless.replay/1";

/// What our own allocator is called.
const OURS: &str = "gapless";

/// Everything gapless says about a replay.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayFacts {
    /// [`REPLAY_SCHEMA`].
    pub schema: &'static str,
    /// The file.
    pub recording: RecordingFacts,
    /// Its devices, each replayed once.
    pub runs: Vec<RunFacts>,
}

/// One run in full.
#[derive(Clone, Debug, Serialize)]
pub struct RunFacts {
    /// The device.
    pub device: u32,
    /// The allocator: `caching`, which is PyTorch's, or `gapless`.
    pub allocator: &'static str,
    /// Its settings: as PyTorch reads them, or as `gapless compare` tells ours.
    pub settings: String,
    /// Where they came from: `given`, `recorded`, `inferred` or `usual`.
    pub settings_from: &'static str,
    /// The release of PyTorch whose rules were followed; null for our own allocator.
    pub framework: Option<String>,
    /// Where it came from.
    pub framework_from: Option<&'static str>,
    /// The card's memory; null is more than any program needs.
    pub capacity_bytes: Option<u64>,
    /// What of it the allocator cannot have.
    pub outside_bytes: u64,
    /// Where that came from.
    pub outside_from: &'static str,
    /// Whether the run began with the state before the first event, as recorded.
    pub warm: bool,
    /// What was reserved when the recording began, where the card has less; null where it has so much. The
    /// run begins with an empty allocator then.
    pub too_large_to_begin_bytes: Option<u64>,
    /// Whether every request was met.
    pub completed: bool,
    /// The first request that failed.
    pub failure: Option<RunFailureFacts>,
    /// All of them; at most one where a failure stops the run.
    pub failures: Vec<RunFailureFacts>,
    /// The operations of the program.
    pub operations: usize,
    /// How many were carried out.
    pub operations_done: usize,
    /// What is alive at most, rounded as the settings say: no allocator needs less.
    pub live_peak_bytes: u64,
    /// What the card must have for that alone, where it has less.
    pub live_alone_needs_bytes: Option<u64>,
    /// What was left of the card at the narrowest, where it has a limit.
    pub headroom_bytes: Option<u64>,
    /// The most of each sum.
    pub peak: TotalsFacts,
    /// The same as recorded, where that tells where blocks were placed.
    pub recorded_peak: Option<TotalsFacts>,
    /// The state at the end.
    pub end: FinalFacts,
    /// What was counted.
    pub counters: CountersFacts,
    /// Everything PyTorch counts, under its names.
    pub statistics: BTreeMap<String, u64>,
    /// What the device's calls take by the cost preset.
    pub modelled_us: f64,
    /// The cost preset.
    pub cost_preset: String,
    /// Where every reserved byte is at the failure, else at the end.
    pub ledger: LedgerFacts,
    /// Why the run failed; null where it completed.
    pub verdict: Option<VerdictFacts>,
    /// How well the recording comes back under its own settings; null where it does not tell
    /// where blocks were placed, or contradicts itself.
    pub fidelity: Option<FidelityFacts>,
    /// The run explained like a recording, for the formats that show it.
    #[serde(skip)]
    pub explained: DeviceFacts,
}

/// A request that failed.
#[derive(Clone, Debug, Serialize)]
pub struct RunFailureFacts {
    /// The operation of the program, from 0.
    pub operation: usize,
    /// The event of the recording.
    pub event: usize,
    /// What was asked for.
    pub requested_bytes: u64,
    /// What was tried at the device.
    pub tried_bytes: u64,
    /// What the device had left.
    pub device_free_bytes: Option<u64>,
    /// What the allocator may reserve, where that is limited.
    pub limit_bytes: Option<u64>,
    /// The stream.
    pub stream: u64,
    /// The pool.
    pub pool: [u64; 2],
    /// What was held then.
    #[serde(flatten)]
    pub totals: TotalsFacts,
    /// Where in the program.
    pub site: Option<Place>,
}

/// The state at the end.
#[derive(Clone, Debug, Serialize)]
pub struct FinalFacts {
    /// The four sums.
    #[serde(flatten)]
    pub totals: TotalsFacts,
    /// The segments by address.
    pub segments: Vec<SegmentFacts>,
}

/// A segment at the end.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentFacts {
    /// Its stream.
    pub stream: u64,
    /// Which half of its pool: `small` or `large`.
    pub pool: &'static str,
    /// The pool by PyTorch's pair of numbers.
    pub private_pool: [u64; 2],
    /// Where the simulated device put it.
    pub address: String,
    /// Its size.
    pub size_bytes: u64,
    /// Whether it is mapped page by page.
    pub expandable: bool,
    /// Its blocks by address.
    pub blocks: Vec<BlockFacts>,
}

/// A block at the end.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BlockFacts {
    /// Its distance from the segment's start.
    pub offset_bytes: u64,
    /// Its size.
    pub size_bytes: u64,
    /// What was last asked for in it.
    pub requested_bytes: u64,
    /// `active`, `pending` or `inactive`.
    pub state: &'static str,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CountersFacts {
    /// Requests for which the whole cache was given back.
    pub alloc_retries: u64,
    /// Requests that failed.
    pub ooms: u64,
    /// Segments taken and ranges mapped.
    pub device_allocs: u64,
    /// Segments given back and ranges unmapped.
    pub device_frees: u64,
    /// All calls of the device.
    pub device_calls: u64,
    /// Pages mapped.
    pub maps: u64,
    /// Unmapping calls.
    pub unmaps: u64,
    /// Waits for all streams.
    pub synchronizations: u64,
    /// Requests that waited for the device.
    pub stalls: u64,
}

impl ReplayFacts {
    /// The facts of a replay.
    pub fn of(replayed: &Replayed) -> Self {
        let runs = replayed.runs.iter().map(|run| RunFacts::of(run, &replayed.recorded));
        Self {
            schema: REPLAY_SCHEMA,
            recording: RecordingFacts::of(&replayed.recorded),
            runs: runs.collect(),
        }
    }
}

impl RunFacts {
    /// Whether it went through our own allocator.
    pub(super) fn is_ours(&self) -> bool {
        self.allocator == OURS
    }

    fn of(run: &ReplayedRun, recorded: &Examination) -> Self {
        let ReplayedRun { setup, outcome, life, .. } = run;
        let trace = &recorded.devices[run.place].trace;
        let failure = |failure| RunFailureFacts::of(failure, run, recorded);
        let failures: Vec<_> = outcome.failures.iter().map(failure).collect();
        let diagnosis = &life.diagnosis;
        let at = AtFacts::of(&life.trace, diagnosis.at);
        let (allocator, settings, release) = match run.by {
            ReplayedBy::PyTorch => ("caching", setup.settings.to_text(), Some(setup.release)),
            ReplayedBy::Gapless(settings) => (OURS, settings.to_string(), None),
        };
        Self {
            device: trace.device.0,
            allocator,
            settings,
            settings_from: run.settings_from.name(),
            framework: release.map(|release| release.to_string()),
            framework_from: release.map(|_| run.release_from.name()),
            capacity_bytes: setup.capacity.map(Bytes::get),
            outside_bytes: setup.outside.get(),
            outside_from: run.outside_from.name(),
            warm: run.warm,
            too_large_to_begin_bytes: run.too_large_to_begin.map(Bytes::get),
            completed: outcome.completed(),
            failure: failures.first().cloned(),
            failures,
            operations: run.operations,
            operations_done: outcome.operations.saturating_sub(run.prelude),
            live_peak_bytes: run.live_peak.get(),
            live_alone_needs_bytes: run.lacks_for_live().map(Bytes::get),
            headroom_bytes: run.headroom().map(Bytes::get),
            peak: outcome.peak.into(),
            recorded_peak: trace.is_placed().then(|| trace.peak_totals().into()),
            end: FinalFacts {
                totals: outcome.end.into(),
                segments: run.segments().iter().map(SegmentFacts::of).collect(),
            },
            counters: CountersFacts::of(run),
            statistics: statistics(&outcome.statistics),
            modelled_us: outcome.modelled_nanos as f64 / 1e3,
            cost_preset: setup.costs.name.clone(),
            ledger: LedgerFacts::of(&diagnosis.ledger, at, diagnosis.at),
            verdict: (!outcome.completed()).then(|| VerdictFacts::of(&diagnosis.verdict)),
            explained: DeviceFacts::of(recorded, life),
            fidelity: run
                .check
                .as_ref()
                .map(|check| FidelityFacts::of(&check.fidelity, check.release.to_string())),
        }
    }
}

impl RunFailureFacts {
    fn of(failure: &Failure, run: &ReplayedRun, recorded: &Examination) -> Self {
        let (tried, free, limit) = match &failure.reason {
            AllocationError::OutOfMemory { tried, device_free, limit, .. } => {
                (*tried, Some(device_free.get()), limit.map(Bytes::get))
            }
            AllocationError::Rejected { requested, allowed } => {
                (*requested, None, Some(allowed.get()))
            }
            AllocationError::Device(_) | _ => (failure.requested, None, None),
        };
        let trace = &recorded.devices[run.place].trace;
        let event = trace.events.len().checked_sub(1).map(|last| failure.event.min(last));
        let stack = event.map(|event| trace.events.get(event).stack).unwrap_or_default();
        Self {
            operation: failure.operation.saturating_sub(run.prelude),
            event: failure.event,
            requested_bytes: failure.requested.get(),
            tried_bytes: tried.get(),
            device_free_bytes: free,
            limit_bytes: limit,
            stream: failure.stream.0,
            pool: [failure.pool.0, failure.pool.1],
            totals: failure.totals.into(),
            site: Place::of_site(&recorded.stacks, &recorded.sites, stack),
        }
    }
}

impl SegmentFacts {
    fn of(segment: &FinalSegment) -> Self {
        let blocks = segment.blocks.iter().map(|block| BlockFacts {
            offset_bytes: (block.addr - segment.addr).get(),
            size_bytes: block.size.get(),
            requested_bytes: block.requested.get(),
            state: match block.state {
                BlockState::Allocated => "active",
                BlockState::PendingFree => "pending",
                BlockState::Inactive => "inactive",
            },
        });
        Self {
            stream: segment.stream.0,
            pool: segment.size_pool.word(),
            private_pool: [segment.pool.0, segment.pool.1],
            address: segment.addr.to_string(),
            size_bytes: segment.size.get(),
            expandable: segment.expandable,
            blocks: blocks.collect(),
        }
    }
}

impl CountersFacts {
    fn of(run: &ReplayedRun) -> Self {
        let (statistics, calls) = (&run.outcome.statistics, run.outcome.calls);
        Self {
            alloc_retries: statistics.num_alloc_retries,
            ooms: statistics.num_ooms,
            device_allocs: statistics.num_device_alloc,
            device_frees: statistics.num_device_free,
            device_calls: calls.total(),
            maps: calls.map,
            unmaps: calls.unmap,
            synchronizations: statistics.num_sync_all_streams,
            stalls: run.outcome.stalls,
        }
    }
}

/// Everything PyTorch counts, as `torch.cuda.memory_stats` names it.
fn statistics(statistics: &Statistics) -> BTreeMap<String, u64> {
    let mut named = BTreeMap::new();
    for (name, statistic) in statistics.by_pool() {
        for (pool, change) in [
            ("all", statistic.all),
            ("small_pool", statistic.small_pool),
            ("large_pool", statistic.large_pool),
        ] {
            named.insert(format!("{name}.{pool}.current"), change.current);
            named.insert(format!("{name}.{pool}.peak"), change.peak);
            named.insert(format!("{name}.{pool}.allocated"), change.allocated);
            named.insert(format!("{name}.{pool}.freed"), change.freed);
        }
    }
    for (name, change) in [
        ("oversize_allocations", statistics.oversize_allocations),
        ("oversize_segments", statistics.oversize_segments),
    ] {
        named.insert(format!("{name}.current"), change.current);
        named.insert(format!("{name}.peak"), change.peak);
        named.insert(format!("{name}.allocated"), change.allocated);
        named.insert(format!("{name}.freed"), change.freed);
    }
    named.extend(statistics.counters().map(|(name, value)| (name.to_owned(), value)));
    named
}
