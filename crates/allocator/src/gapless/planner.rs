//! Plans for a program that does not come to rest: what an arena knows of it, and makes of that.

mod period;
mod profiler;
mod plan;
mod schedule;
mod stages;

use gapless_plan::Packing;
use gapless_units::{Addr, Bytes};

use super::names::RequestNumber;
pub(super) use plan::{Plan, Planned};
pub(super) use profiler::Profile;
pub(super) use schedule::Schedule;
use stages::Stages;

/// What an arena knows of its program, and where its requests go by that.
#[derive(Debug, Default)]
pub(super) struct Planner {
    /// Whether the next request may have a place of its own.
    has_place: bool,
    /// From when on pages were mapped though no more was alive than before.
    stages: Option<Box<Stages>>,
}

impl Planner {
    /// Whether the next request may have a place of its own.
    #[inline]
    pub(super) fn has_place(&self) -> bool {
        self.has_place
    }

    /// What the program does again and again, where that was profiled.
    pub(super) fn schedule(&self) -> Option<&Schedule> {
        self.stages.as_ref()?.schedule()
    }

    /// Takes the packing that was made, behind an address; none where none fits now.
    pub(super) fn take_plan(&mut self, packing: Option<(Packing, Addr)>) {
        if let Some(stages) = &mut self.stages
            && let Some(schedule) = stages.schedule_mut()
        {
            schedule.take_plan(packing);
        }
    }

    /// Takes in how large the free block is that the next request goes to as planned.
    pub(super) fn note_gap(&mut self, gap: Bytes) {
        if let Some(stages) = &mut self.stages
            && let Some(schedule) = stages.schedule_mut()
        {
            schedule.note_gap(gap);
        }
    }

    /// Takes in that some requests were not watched.
    pub(super) fn interrupt(&mut self) {
        self.has_place = false;
        if let Some(stages) = &mut self.stages {
            stages.interrupt();
        }
    }

    /// The number of the next request.
    pub(super) fn next_request(&self) -> RequestNumber {
        self.stages.as_ref().map_or(RequestNumber::NONE, |stages| stages.next_request())
    }

    /// Takes in a request. Says whether it is profiled or followed.
    pub(super) fn ask(&mut self, size: Bytes) -> bool {
        let Some(stages) = &mut self.stages else { return false };
        let goes_on = stages.note(size) && stages.follow_up(size);
        self.has_place = stages.has_place();
        goes_on
    }

    /// Takes in that a block was freed, by the number of its request.
    pub(super) fn free(&mut self, request: RequestNumber) {
        if let Some(stages) = &mut self.stages {
            stages.free(request);
        }
    }

    /// Takes in that pages are mapped for the next request though no more is alive than before.
    pub(super) fn map(&mut self) {
        self.stages.get_or_insert_default().map();
    }
}
