//! Counting the same complaint many times, to say it once.

use crate::note::Note;

/// How often something was met, and the first time in words.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: usize,
    first: String,
}

impl Tally {
    /// Counts one more; `place` describes it if it is the first.
    pub(super) fn add(&mut self, place: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = place();
        }
        self.count += 1;
    }

    /// The note about all of them: `what: N; the first: place`.
    pub(super) fn note(
        self,
        make: fn(&'static str, String) -> Note,
        code: &'static str,
        what: &str,
    ) -> Option<Note> {
        let Self { count, first } = self;
        (count > 0).then(|| make(code, format!("{what}: {count}; the first: {first}")))
    }
}
