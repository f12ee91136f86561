//! The life of a replayed allocator, written down as a recording like any other.

use std::collections::BTreeMap;

use gapless_allocator::{Allocator, Happening, Observer};
use gapless_trace::{DeviceRecording, Events, FinalSegment, LabelId, Settings, StackId, Trace};
use gapless_units::{Addr, Micros};

use crate::outcome::Outcome;
use crate::program::{Operation, Program};
use crate::run::{ReplayError, Run, Watcher, run_ours, run_watched};
use crate::setup::{ReplayedBy, Setup};
use crate::start::Start;

/// A replay, and what a snapshot of its allocator would have said at its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// What became of it.
    pub outcome: Outcome,
    /// Its events and its segments, with the stacks and times of the recording it replayed.
    pub recording: DeviceRecording,
}

/// Replays the program of `trace` through this allocator and writes down its life. Our own begins
/// with nothing, whatever the start.
pub fn live(
    trace: &Trace,
    program: &Program,
    start: &Start,
    by: ReplayedBy,
    setup: &Setup,
) -> Result<Life, ReplayError> {
    let scribe = Scribe::new(trace);
    match by {
        ReplayedBy::PyTorch => {
            let run = run_watched(program, start, setup, scribe)?;
            let settings = Settings { text: setup.settings.to_text(), ..setup.settings.clone() };
            let segments = run.allocator.segments();
            let segments = with_stacks(segments, &stacks(&run, program));
            let (_, scribe) = run.allocator.into_parts();
            Ok(Life { outcome: run.outcome, recording: scribe.recording(settings, segments) })
        }
        ReplayedBy::Gapless(set) => {
            let run = run_ours(program, setup, set, scribe)?;
            let settings = run.allocator.snapshot_settings();
            let segments = with_stacks(run.allocator.segments(), &stacks(&run, program));
            let (_, scribe) = run.allocator.into_parts();
            Ok(Life { outcome: run.outcome, recording: scribe.recording(settings, segments) })
        }
    }
}

/// Where each block that the program holds at the end was asked for.
fn stacks<A: Allocator>(run: &Run<A>, program: &Program) -> BTreeMap<Addr, StackId> {
    let held = run.blocks.iter().zip(&program.requests);
    let held = held.filter_map(|(block, request)| {
        let extent = run.allocator.extent((*block)?)?;
        Some((extent.start(), request.stack))
    });
    held.collect()
}

fn with_stacks(
    mut segments: Vec<FinalSegment>,
    stacks: &BTreeMap<Addr, StackId>,
) -> Vec<FinalSegment> {
    for block in segments.iter_mut().flat_map(|segment| &mut segment.blocks) {
        block.stack = stacks.get(&block.addr).copied().unwrap_or_default();
    }
    segments
}

/// Writes down what happens, beside where and when in the recorded program it did.
struct Scribe<'t> {
    trace: &'t Trace,
    events: Events,
    stack: StackId,
    label: LabelId,
    time: Micros,
}

impl<'t> Scribe<'t> {
    fn new(trace: &'t Trace) -> Self {
        Self {
            trace,
            events: Events::default(),
            stack: StackId::default(),
            label: LabelId::default(),
            time: Micros::default(),
        }
    }

    fn recording(self, settings: Settings, end: Vec<FinalSegment>) -> DeviceRecording {
        DeviceRecording {
            device: self.trace.device,
            settings: Some(settings),
            events: self.events,
            end: Some(end),
            annotations: self.trace.annotations.clone(),
        }
    }
}

impl Observer for Scribe<'_> {
    fn observe(&mut self, happening: Happening) {
        self.events.push(happening.event(self.time, self.stack, self.label));
    }
}

impl Watcher for Scribe<'_> {
    fn next_operation(&mut self, program: &Program, operation: usize) {
        let event = program.events[operation] as usize;
        if event < self.trace.events.len() {
            let event = self.trace.events.get(event);
            self.stack = event.stack;
            self.label = event.label;
            self.time = event.time;
        }
        if let Operation::Allocate(id) | Operation::Fail(id) = program.operations[operation] {
            self.stack = program.requests[id.index()].stack;
        }
    }
}
