//! The runs of a recording's devices through several allocators.

use std::ops::Range;

use gapless_device::Costs;
use gapless_diagnose::Iterations;
use gapless_replay::{Check, Comparison, Program, ReplayError};
use gapless_trace::Instant;
use gapless_units::{DeviceId, Micros};

use crate::examination::Examination;

/// A recording whose devices were put through several allocators.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The recording.
    pub recorded: Examination,
    /// What the device's calls take.
    pub costs: Costs,
    /// Its devices.
    pub devices: Vec<ComparedDevice>,
}

/// A device's program, and how each allocator does on it.
#[derive(Clone, Debug)]
pub struct ComparedDevice {
    /// The device.
    pub device: DeviceId,
    /// How well the recording comes back under its own settings; nothing for a list of
    /// operations, which does not tell where anything went.
    pub check: Option<Check>,
    /// What the program asked for, begun on an empty allocator.
    pub program: Program,
    /// Its iterations, in order.
    pub iterations: Vec<ComparedIteration>,
    /// How long the recording lasted, where it has times.
    pub duration: Option<Micros>,
    /// The allocators, in the order they were asked for.
    pub comparisons: Vec<Comparison>,
}

impl ComparedDevice {
    /// The program of a device, through no allocator yet.
    pub fn of(recorded: &Examination, place: usize) -> Result<Self, ReplayError> {
        let examined = &recorded.devices[place];
        let trace = &examined.trace;
        let program = Program::of(trace).begun_anew();
        let iteration = |(start, end): (Instant, Instant)| ComparedIteration {
            operations: program.operation_at(start)..program.operation_at(end),
            duration: trace.events.times().get(start.events()..end.events()).and_then(duration),
        };
        let found = examined.diagnosis.iterations.iter();
        let iterations = found.flat_map(Iterations::spans).map(iteration).collect();
        Ok(Self {
            device: trace.device,
            check: recorded.check(place)?,
            program,
            iterations,
            duration: duration(trace.events.times()),
            comparisons: Vec::new(),
        })
    }
}

/// An iteration of a program.
#[derive(Clone, Debug)]
pub struct ComparedIteration {
    /// Its operations.
    pub operations: Range<usize>,
    /// How long it lasted, where the recording has times.
    pub duration: Option<Micros>,
}

/// From the first event to the last.
fn duration(times: &[Micros]) -> Option<Micros> {
    let (first, last) = (times.first()?.0, times.last()?.0);
    (first < last).then(|| Micros(last - first))
}
