//! Whether a program that does not come to rest repeats itself, and where its requests then go best.
//!
//! ```text
//!   listening ──► the requests have a period, and pages are still mapped in it
//!       ▲                   │
//!       │ it ended          ▼
//!       ├────────────── learning ──► what is asked for, and how long it lives
//!       │                   │
//!       │ no plan fits,     ▼        at the beginning of a cycle: plan around what lies there
//!       └────────────── following ──►
//!         or serves                  when pages are still mapped, or the program was astray: again
//! ```
//!
//! In such programs, blocks that outlive an iteration come to lie otherwise in each, and pages would
//! follow them for ever.

use gapless_units::Bytes;

use super::lesson::Lesson;
use super::rhythm::Rhythm;
use super::routine::Routine;

/// A program is restless that maps pages in so many turns of its period; twice as many each time that
/// something was learnt.
const RESTLESS: u32 = 3;

/// What is known of a restless program.
#[derive(Clone, Debug)]
pub(super) struct Study {
    rhythm: Rhythm,
    stage: Stage,
    /// Whether pages were mapped in this turn of the period.
    has_moved: bool,
    /// In how many turns of the period that was so.
    restless: u32,
    /// How many such turns are put up with.
    patience: u32,
}

#[derive(Clone, Debug)]
enum Stage {
    Listening,
    Learning(Lesson),
    Following(Routine),
}

impl Default for Study {
    fn default() -> Self {
        Self {
            rhythm: Rhythm::default(),
            stage: Stage::Listening,
            has_moved: false,
            restless: 0,
            patience: RESTLESS,
        }
    }
}

impl Study {
    /// Whether the next request may have a place of its own.
    pub(super) fn has_place(&self) -> bool {
        let routine = self.routine();
        routine.is_some_and(|routine| routine.plan().is_some() || routine.is_due())
    }

    /// What is followed, if anything is.
    pub(super) fn routine(&self) -> Option<&Routine> {
        match &self.stage {
            Stage::Following(routine) => Some(routine),
            Stage::Listening | Stage::Learning(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn routine_mut(&mut self) -> Option<&mut Routine> {
        match &mut self.stage {
            Stage::Following(routine) => Some(routine),
            Stage::Listening | Stage::Learning(_) => None,
        }
    }

    /// What the next request is called.
    #[inline]
    pub(super) fn next_name(&self) -> u32 {
        self.rhythm.name()
    }

    /// Takes in a request. Says whether there is more to it, which is for [`Study::attend`].
    #[inline]
    pub(super) fn hear(&mut self, size: Bytes) -> bool {
        self.rhythm.hear(size) || !matches!(self.stage, Stage::Listening)
    }

    /// What the request that was heard last means for what is learnt or followed. Says whether
    /// something is.
    pub(super) fn attend(&mut self, size: Bytes) -> bool {
        let ends_turn = self.rhythm.attend();
        let period = self.rhythm.period();
        let goes_on = match &mut self.stage {
            Stage::Listening => true,
            Stage::Learning(lesson) => {
                lesson.ask(size);
                period == Some(lesson.period())
            }
            Stage::Following(routine) => routine.follow(size, self.rhythm.anchor()),
        };
        if !goes_on {
            self.stage = Stage::Listening;
        }
        if ends_turn {
            self.end_turn();
        }
        !matches!(self.stage, Stage::Listening)
    }

    /// Takes in that a block was freed, by the name of its request.
    #[inline]
    pub(super) fn free(&mut self, name: u32) {
        if let Stage::Learning(lesson) = &mut self.stage {
            lesson.free(name);
        }
    }

    /// Takes in that some requests were not heard: what was found until then is over.
    pub(super) fn interrupt(&mut self) {
        self.rhythm.forget();
        self.stage = Stage::Listening;
        self.has_moved = false;
    }

    /// Takes in that pages are mapped for the next request, with no more alive than before.
    pub(super) fn map(&mut self) {
        self.has_moved = true;
        if let Stage::Following(routine) = &mut self.stage {
            routine.map();
        }
    }

    /// The period has passed once more.
    fn end_turn(&mut self) {
        let has_moved = std::mem::take(&mut self.has_moved);
        self.restless = if self.rhythm.is_new() {
            0
        } else {
            self.restless.saturating_add(u32::from(has_moved))
        };
        let is_enough = self.patience <= self.restless && self.rhythm.is_the_whole();
        match (&self.stage, self.rhythm.period()) {
            (Stage::Learning(lesson), _) if lesson.is_over() => {
                let has_come_to_rest = self.restless == 0;
                self.stage = if has_come_to_rest {
                    Stage::Listening
                } else {
                    Stage::Following(Routine::new(lesson.learnt()))
                };
            }
            (Stage::Listening, Some(period)) if is_enough => {
                self.restless = 0;
                self.patience = self.patience.saturating_mul(2);
                self.stage = Stage::Learning(Lesson::new(period, self.rhythm.name()));
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
    fn restless(study: &mut Study, turns: usize) {
        for place in (0..turns).flat_map(|_| 0..100) {
            let (size, name) = (Bytes::new(512 * (1 + place)), study.next_name());
            if place == 0 {
                study.map();
            }
            if study.hear(size) {
                study.attend(size);
            }
            study.free(name);
        }
    }

    #[test]
    fn a_restless_program_is_learnt() {
        let mut study = Study::default();
        restless(&mut study, 30);
        assert!(matches!(study.stage, Stage::Listening), "it might end soon");
        restless(&mut study, 14);
        assert!(matches!(study.stage, Stage::Learning(_)));
        restless(&mut study, 4);
        assert!(study.routine().is_some());
    }

    #[test]
    fn what_was_found_is_over_where_requests_were_not_heard() {
        let mut study = Study::default();
        restless(&mut study, 50);
        assert!(study.routine().is_some());
        study.interrupt();
        assert!(study.routine().is_none() && study.rhythm.period().is_none());
        restless(&mut study, 30);
        assert!(study.routine().is_none());
    }
}
