//! Whether an arena's requests are listened to, and whether they have places of their own.
//!
//! Most programs come to rest by themselves: nothing is mapped any more, and nobody has to listen to
//! what they ask for. So it costs a program at rest nothing that others are studied.

use gapless_plan::Packing;
use gapless_units::{Addr, Bytes};

use super::routine::Routine;
use super::study::Study;

/// So many requests are listened to after pages were mapped.
const ATTENTION: u32 = 1 << 16;

/// What an arena knows of its program.
#[derive(Clone, Debug, Default)]
pub(super) struct Habit {
    /// How many more requests are listened to.
    attention: u32,
    /// Whether the next request may have a place of its own.
    has_place: bool,
    /// The most that was alive when pages were mapped.
    peak: Bytes,
    /// Where pages were mapped though no more was alive than before.
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
    pub(super) fn plan(&mut self, packing: Option<(Packing, Addr)>) {
        let Some(study) = &mut self.study else { return };
        if let Some(routine) = study.routine_mut() {
            routine.plan(packing);
        }
    }

    /// What the next request is called.
    pub(super) fn next_name(&self) -> u32 {
        self.study.as_ref().map_or(0, |study| study.next_name())
    }

    /// Takes in a request, where it is listened to. Answers its name, by which its block is known to
    /// [`Habit::free`].
    #[inline]
    pub(super) fn ask(&mut self, size: Bytes) -> u32 {
        if self.attention == 0 {
            return 0;
        }
        self.attention -= 1;
        let Some(study) = &mut self.study else { return 0 };
        let name = study.next_name();
        if study.hear(size) {
            if study.attend(size) {
                self.attention = ATTENTION;
            }
            self.has_place = study.has_place();
        }
        name
    }

    /// Takes in that a block was freed.
    #[inline]
    pub(super) fn free(&mut self, name: u32) {
        if 0 < self.attention
            && let Some(study) = &mut self.study
        {
            study.free(name);
        }
    }

    /// Takes in that pages are mapped for a request, when so much has been alive at most.
    pub(super) fn map(&mut self, peak: Bytes) {
        if self.peak < peak {
            self.peak = peak;
            return;
        }
        let study = self.study.get_or_insert_default();
        if self.attention == 0 {
            study.interrupt();
        }
        self.attention = ATTENTION;
        study.map();
    }
}
