//! What could not be read, each kind said once with its count and first place.

use std::collections::BTreeMap;

use gapless_trace::Note;

/// What was met while reading.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    /// By code and what is wrong: how often, and where first.
    counts: BTreeMap<(&'static str, String), (usize, String)>,
}

impl Complaints {
    /// Something that was skipped.
    pub(super) fn skipped(&mut self, what: impl Into<String>, place: impl FnOnce() -> String) {
        self.count("skipped", what.into(), place);
    }

    /// A key that gapless does not know.
    pub(super) fn unknown_key(&mut self, of: &str, key: &str) {
        let what = format!("unknown key {key:?} of {of}: not used");
        self.count("unknown-key", what, String::new);
    }

    fn count(&mut self, code: &'static str, what: String, place: impl FnOnce() -> String) {
        self.counts.entry((code, what)).or_insert_with(|| (0, place())).0 += 1;
    }

    /// A note for each kind.
    pub(super) fn into_notes(self) -> Vec<Note> {
        let note = |((code, what), (count, place)): ((&'static str, String), (usize, String))| {
            let place = if place.is_empty() { place } else { format!(", first at {place}") };
            let times = if 1 < count { format!(" ({count} times{place})") } else { place };
            Note::missing(code, format!("{what}{times}"))
        };
        self.counts.into_iter().map(note).collect()
    }
}
