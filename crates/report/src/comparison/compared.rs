//! The runs of a recording's devices through several allocators.

use std::ops::Range;

use gapless_device::Costs;
use gapless_replay::{Check, Comparison, Program, ReplayError};
use gapless_trace::Trace;
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
        let duration = duration(trace);
        let (device, check, comparisons) = (trace.device, recorded.check(place)?, Vec::new());
        Ok(Self { device, check, program, last_iteration, duration, comparisons })
    }
}

/// From the first event to the last.
fn duration(trace: &Trace) -> Option<Micros> {
    let times = trace.events.times();
    let (first, last) = (times.first()?.0, times.last()?.0);
    (first < last).then(|| Micros(last - first))
}
