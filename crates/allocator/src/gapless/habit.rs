//! What an arena knows of its program, where that was restless.

mod rhythm;
mod lesson;
mod plan;
mod routine;
mod study;

use gapless_plan::Packing;
use gapless_units::{Addr, Bytes};

pub(super) use lesson::Learnt;
pub(super) use plan::{Plan, Planned};
pub(super) use routine::Routine;
use study::Study;

/// What an arena knows of its program.
#[derive(Clone, Debug, Default)]
pub(super) struct Habit {
    /// Whether the next request may have a place of its own.
    has_place: bool,
    /// From when on pages were mapped though no more was alive than before.
    study: Option<Box<Study>>,
}

impl Habit {
    /// Whether the next request may have a place of its own.
    #[inline]
    pub(super) fn has_place(&self) -> bool {
        self.has_place
    }

    /// What the program does again and again, where that was learnt.
    pub(super) fn routine(&self) -> Option<&Routine> {
        self.study.as_ref()?.routine()
    }

    /// Takes the packing that was made, behind an address; none where none fits now.
    pub(super) fn take_plan(&mut self, packing: Option<(Packing, Addr)>) {
        if let Some(study) = &mut self.study
            && let Some(routine) = study.routine_mut()
        {
            routine.take_plan(packing);
        }
    }

    /// Takes in how large the free block is that the next request goes to as planned.
    pub(super) fn note_gap(&mut self, gap: Bytes) {
        if let Some(study) = &mut self.study
            && let Some(routine) = study.routine_mut()
        {
            routine.note_gap(gap);
        }
    }

    /// Takes in that some requests were not heard.
    pub(super) fn interrupt(&mut self) {
        self.has_place = false;
        if let Some(study) = &mut self.study {
            study.interrupt();
        }
    }

    /// What the next request is called.
    pub(super) fn next_name(&self) -> u32 {
        self.study.as_ref().map_or(0, |study| study.next_name())
    }

    /// Takes in a request. Says whether something is learnt from it or follows from it.
    pub(super) fn ask(&mut self, size: Bytes) -> bool {
        let Some(study) = &mut self.study else { return false };
        let is_studied = study.hear(size) && study.attend(size);
        self.has_place = study.has_place();
        is_studied
    }

    /// Takes in that a block was freed, by the name of its request.
    pub(super) fn free(&mut self, name: u32) {
        if let Some(study) = &mut self.study {
            study.free(name);
        }
    }

    /// Takes in that pages are mapped for the next request though no more is alive than before.
    pub(super) fn map(&mut self) {
        self.study.get_or_insert_default().map();
    }
}
