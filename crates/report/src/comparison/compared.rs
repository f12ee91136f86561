//! The runs of a recording's devices through several allocators.

use std::ops::Range;

use gapless_device::Costs;
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
    /// The operations of the last iteration, where there are iterations.
    pub last_iteration: Option<Range<usize>>,
    /// How long the last iteration lasted, where the recording has times.
    pub last_iteration_duration: Option<Micros>,
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
        let iterations = examined.diagnosis.iterations.as_ref();
        let last = iterations.and_then(|found| found.spans().last());
        let last_iteration =
            last.map(|(start, end)| program.operation_at(start)..program.operation_at(end));
        let lasted = |(start, end): (Instant, Instant)| {
            duration(trace.events.times().get(start.events()..end.events())?)
        };
        Ok(Self {
            device: trace.device,
            check: recorded.check(place)?,
            program,
            last_iteration,
            last_iteration_duration: last.and_then(lasted),
            duration: duration(trace.events.times()),
            comparisons: Vec::new(),
        })
    }
}

/// From the first event to the last.
fn duration(times: &[Micros]) -> Option<Micros> {
    let (first, last) = (times.first()?.0, times.last()?.0);
    (first < last).then(|| Micros(last - first))
}
