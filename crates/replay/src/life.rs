//! The life of a replayed allocator, written down as a recording like any other.

use std::collections::BTreeMap;

use gapless_allocator::{Happening, Observer, Recorder};
use gapless_trace::{DeviceRecording, FinalSegment, Settings, StackId, Trace};
use gapless_units::Addr;

use crate::outcome::Outcome;
use crate::program::{Operation, Program};
use crate::run::{ReplayError, Run, Watcher, run_watched};
use crate::setup::Setup;
use crate::start::Start;

/// A replay, and what a snapshot of its allocator would have said at its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// What became of it.
    pub outcome: Outcome,
    /// Its events and its segments, with the stacks and times of the recording it replayed.
    pub recording: DeviceRecording,
}

/// Replays the program of `trace` and writes down the allocator's life.
pub fn live(
    trace: &Trace,
    program: &Program,
    start: &Start,
    setup: &Setup,
) -> Result<Life, ReplayError> {
    let scribe = Scribe { trace, recorder: Recorder::default() };
    let Run { outcome, allocator, blocks } = run_watched(program, start, setup, scribe)?;
    let held = blocks.iter().zip(&program.requests).filter_map(|(block, request)| {
        let addr = allocator.addr((*block)?)?;
        Some((addr, request.stack))
    });
    let stacks: BTreeMap<Addr, StackId> = held.collect();
    let end = allocator.segments().into_iter().map(|segment| with_stacks(segment, &stacks));
    let end = end.collect();
    let text = setup.settings.to_text();
    let (_, scribe) = allocator.into_parts();
    let recording = DeviceRecording {
        device: trace.device,
        settings: Some(Settings { text, ..setup.settings.clone() }),
        events: scribe.recorder.events,
        end: Some(end),
        annotations: trace.annotations.clone(),
    };
    Ok(Life { outcome, recording })
}

fn with_stacks(mut segment: FinalSegment, stacks: &BTreeMap<Addr, StackId>) -> FinalSegment {
    for block in &mut segment.blocks {
        block.stack = stacks.get(&block.addr).copied().unwrap_or_default();
    }
    segment
}

/// Writes down what happens, beside where and when in the recorded program it did.
struct Scribe<'t> {
    trace: &'t Trace,
    recorder: Recorder,
}

impl Observer for Scribe<'_> {
    fn observe(&mut self, happening: Happening) {
        self.recorder.observe(happening);
    }
}

impl Watcher for Scribe<'_> {
    fn next_operation(&mut self, program: &Program, operation: usize) {
        let event = program.events[operation] as usize;
        if event < self.trace.events.len() {
            let event = self.trace.events.get(event);
            self.recorder.stack = event.stack;
            self.recorder.label = event.label;
            self.recorder.time = event.time;
        }
        if let Operation::Allocate(id) | Operation::Fail(id) = program.operations[operation] {
            self.recorder.stack = program.requests[id.index()].stack;
        }
    }
}
