//! From watching a program to following a plan for it.
//!
//! ```text
//!   watching ──►  the requests have a period, and pages are still mapped in it
//!       ▲                   │
//!       │ it ended          ▼
//!       ├────────────── profiling ─► what is asked for, and how long it lives
//!       │                   │
//!       │ no plan fits,     ▼        at the beginning of a cycle: plan around what lies there
//!       └────────────── following ──►
//!         or serves                  when pages are still mapped, or the program was astray: again
//! ```
//!
//! In such programs, blocks that outlive an iteration come to lie otherwise in each, and pages would
//! follow them for ever.

use gapless_units::Bytes;

use super::period::PeriodFinder;
use super::profiler::Profiler;
use super::schedule::Schedule;
use crate::gapless::names::RequestNumber;

/// A program is restless that maps pages in so many turns of its period; twice as many each time that
/// it was profiled.
const RESTLESS: u32 = 3;

/// How far the allocator is with a restless program.
#[derive(Debug)]
pub(super) struct Stages {
    finder: PeriodFinder,
    stage: Stage,
    /// Whether pages were mapped in this turn of the period.
    has_moved: bool,
    /// In how many turns of the period that was so.
    restless: u32,
    /// How many such turns are put up with.
    patience: u32,
}

#[derive(Debug)]
enum Stage {
    Watching,
    Profiling(Profiler),
    Following(Schedule),
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            finder: PeriodFinder::default(),
            stage: Stage::Watching,
            has_moved: false,
            restless: 0,
            patience: RESTLESS,
        }
    }
}

impl Stages {
    /// Whether the next request may have a place of its own.
    pub(super) fn has_place(&self) -> bool {
        let schedule = self.schedule();
        schedule.is_some_and(|schedule| schedule.plan().is_some() || schedule.is_due())
    }

    /// What is followed, if anything is.
    pub(super) fn schedule(&self) -> Option<&Schedule> {
        match &self.stage {
            Stage::Following(schedule) => Some(schedule),
            Stage::Watching | Stage::Profiling(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn schedule_mut(&mut self) -> Option<&mut Schedule> {
        match &mut self.stage {
            Stage::Following(schedule) => Some(schedule),
            Stage::Watching | Stage::Profiling(_) => None,
        }
    }

    /// The number of the next request.
    #[inline]
    pub(super) fn next_request(&self) -> RequestNumber {
        self.finder.next_request()
    }

    /// Takes in a request. Says whether there is more to it, which is for [`Stages::follow_up`].
    #[inline]
    pub(super) fn note(&mut self, size: Bytes) -> bool {
        self.finder.note(size) || !matches!(self.stage, Stage::Watching)
    }

    /// What the last request means for what is profiled or followed. Says whether something is.
    pub(super) fn follow_up(&mut self, size: Bytes) -> bool {
        let ends_turn = self.finder.follow_up();
        let period = self.finder.period();
        let goes_on = match &mut self.stage {
            Stage::Watching => true,
            Stage::Profiling(profiler) => {
                profiler.ask(size);
                period == Some(profiler.period())
            }
            Stage::Following(schedule) => schedule.follow(size, self.finder.anchor()),
        };
        if !goes_on {
            self.stage = Stage::Watching;
        }
        if ends_turn {
            self.end_turn();
        }
        !matches!(self.stage, Stage::Watching)
    }

    /// Takes in that a block was freed, by the number of its request.
    #[inline]
    pub(super) fn free(&mut self, request: RequestNumber) {
        if let Stage::Profiling(profiler) = &mut self.stage {
            profiler.free(request);
        }
    }

    /// Takes in that some requests were not watched: what was found until then is over.
    pub(super) fn interrupt(&mut self) {
        self.finder.forget();
        self.stage = Stage::Watching;
        self.has_moved = false;
    }

    /// Takes in that pages are mapped for the next request, with no more alive than before.
    pub(super) fn map(&mut self) {
        self.has_moved = true;
        if let Stage::Following(schedule) = &mut self.stage {
            schedule.map();
        }
    }

    /// The period has passed once more.
    fn end_turn(&mut self) {
        let has_moved = std::mem::take(&mut self.has_moved);
        self.restless = if self.finder.is_new() {
            0
        } else {
            self.restless.saturating_add(u32::from(has_moved))
        };
        let is_enough = self.patience <= self.restless && self.finder.is_the_whole();
        match (&self.stage, self.finder.period()) {
            (Stage::Profiling(profiler), _) if profiler.is_over() => {
                let has_come_to_rest = self.restless == 0;
                self.stage = if has_come_to_rest {
                    Stage::Watching
                } else {
                    Stage::Following(Schedule::new(profiler.profile()))
                };
            }
            (Stage::Watching, Some(period)) if is_enough => {
                self.restless = 0;
                self.patience = self.patience.saturating_mul(2);
                self.stage = Stage::Profiling(Profiler::new(period, self.finder.next_request()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes turns of 100 requests of other sizes each, in which pages are mapped; blocks are freed at
    /// once.
    fn restless(stages: &mut Stages, turns: usize) {
        for place in (0..turns).flat_map(|_| 0..100) {
            let (size, request) = (Bytes::new(512 * (1 + place)), stages.next_request());
            if place == 0 {
                stages.map();
            }
            if stages.note(size) {
                stages.follow_up(size);
            }
            stages.free(request);
        }
    }

    #[test]
    fn a_restless_program_is_profiled() {
        let mut stages = Stages::default();
        restless(&mut stages, 30);
        assert!(matches!(stages.stage, Stage::Watching), "it might end soon");
        restless(&mut stages, 14);
        assert!(matches!(stages.stage, Stage::Profiling(_)));
        restless(&mut stages, 4);
        assert!(stages.schedule().is_some());
    }

    #[test]
    fn what_was_found_is_over_where_requests_were_not_watched() {
        let mut stages = Stages::default();
        restless(&mut stages, 50);
        assert!(stages.schedule().is_some());
        stages.interrupt();
        assert!(stages.schedule().is_none() && stages.finder.period().is_none());
        restless(&mut stages, 30);
        assert!(stages.schedule().is_none());
    }
}
