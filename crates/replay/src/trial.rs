//! A program through any allocator over a simulated device.

use std::collections::BTreeSet;
use std::ops::Range;

use gapless_allocator::{AllocationError, Allocator};
use gapless_device::{CallCounts, Sim};
use gapless_units::Bytes;

use crate::program::{Operation, Program};
use crate::run::{Replay, ReplayError};

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The operation whose request failed, where one did; it ended the trial.
    pub failed: Option<(usize, AllocationError)>,
    /// The most that was reserved.
    pub peak_reserved: Bytes,
    /// Requests that waited for the device.
    pub stalls: u64,
    /// How often the device was called.
    pub calls: CallCounts,
    /// What it took during the span that was asked about, where its end was reached.
    pub in_span: Option<SpanCost>,
    /// The most that was reserved in each of [`Trial::PARTS`] equal parts of the operations; fewer
    /// where the trial ended before.
    pub reserved_curve: Vec<Bytes>,
    /// What the device's calls take by the cost model, in nanoseconds.
    pub modelled_nanos: u64,
    /// How much of that is before the recording: for what was alive when it began.
    pub prelude_nanos: u64,
}

/// What a part of a program took of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCost {
    /// Granules mapped.
    pub granules_mapped: u64,
    /// What the device's calls take by the cost model, in nanoseconds.
    pub modelled_nanos: u64,
}

impl SpanCost {
    /// From a device's first call on.
    fn so_far(device: &Sim) -> Self {
        let granules_mapped = device.calls().granules_mapped;
        Self { granules_mapped, modelled_nanos: device.modelled_nanos() }
    }

    fn since(self, start: Self) -> Self {
        Self {
            granules_mapped: self.granules_mapped - start.granules_mapped,
            modelled_nanos: self.modelled_nanos - start.modelled_nanos,
        }
    }
}

impl Trial {
    /// Into how many parts the operations are cut for a curve.
    pub const PARTS: usize = 880;

    /// Whether every request was met.
    pub fn completed(&self) -> bool {
        self.failed.is_none()
    }

    /// Whether every request was met and none waited for the device.
    pub fn is_stall_free(&self) -> bool {
        self.completed() && self.stalls == 0
    }
}

/// How a program is put through an allocator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course<'a> {
    pub(crate) program: &'a Program,
    /// The operations whose cost is told apart.
    pub(crate) span: Option<&'a Range<usize>>,
    /// Whether it ends at the first wait for the device, which is all that is asked for then.
    pub(crate) ends_at_stall: bool,
    /// After how many operations the work of all streams is done, where it is not when asked about.
    pub(crate) behind: Option<usize>,
}

impl Course<'_> {
    /// Puts the program through an allocator. Requests that failed in the recording are left out:
    /// what the program would have done with an answer is not known.
    pub(crate) fn run<A: Allocator<Device = Sim>>(
        &self,
        allocator: A,
    ) -> Result<Trial, ReplayError> {
        let program = self.program;
        let streams = if self.behind.is_some() { program.streams() } else { BTreeSet::new() };
        let mut replay = Replay::new(program, allocator);
        let mut failed = None;
        let mut prelude_nanos = 0;
        let (mut before, mut in_span) = (SpanCost::default(), None);
        let mut reserved_curve: Vec<Bytes> = Vec::with_capacity(Trial::PARTS);
        let part = program.operations.len().div_ceil(Trial::PARTS).max(1);
        for index in 0..program.operations.len() {
            if index == program.prelude() {
                prelude_nanos = replay.allocator.device().modelled_nanos();
            }
            if self.span.is_some_and(|span| span.start == index) {
                before = SpanCost::so_far(replay.allocator.device());
            }
            if self.behind.is_some_and(|operations| index.is_multiple_of(operations)) {
                for &stream in &streams {
                    replay.allocator.device_mut().finish_work_on(stream);
                }
            }
            if !matches!(program.operations[index], Operation::Fail(_)) {
                failed = replay.step(index)?.map(|refused| (index, refused.reason));
            }
            if failed.is_some() || self.ends_at_stall && 0 < replay.allocator.stalls() {
                break;
            }
            if self.span.is_some_and(|span| span.end == index + 1) {
                in_span = Some(SpanCost::so_far(replay.allocator.device()).since(before));
            }
            let reserved = replay.allocator.reserved();
            match reserved_curve.last_mut().filter(|_| !index.is_multiple_of(part)) {
                Some(most) => *most = reserved.max(*most),
                None => reserved_curve.push(reserved),
            }
        }
        let allocator = replay.allocator;
        if program.prelude() == program.operations.len() {
            prelude_nanos = allocator.device().modelled_nanos();
        }
        let (device, statistics) = (allocator.device(), allocator.statistics());
        let calls = device.calls();
        Ok(Trial {
            failed,
            peak_reserved: Bytes::new(statistics.reserved_bytes.all.peak),
            stalls: allocator.stalls(),
            calls,
            in_span,
            reserved_curve,
            modelled_nanos: device.modelled_nanos(),
            prelude_nanos,
        })
    }
}
