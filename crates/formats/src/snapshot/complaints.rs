//! What could not be read, each kind said once with its count and first place.

use std::collections::BTreeMap;
use std::fmt;

use gapless_trace::Note;

use super::excerpt::excerpt;

/// Kinds of one code that are told apart; a file may have a million of them.
const MOST_KINDS: usize = 20;

/// An entry of a list: `segments[3]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) list: &'a str,
    pub(super) index: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]", self.list, self.index)
    }
}

/// How often something was met, and where first.
#[derive(Debug)]
struct Count {
    times: usize,
    place: String,
}

/// What was met while reading, by code and kind.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    counts: BTreeMap<&'static str, BTreeMap<String, Count>>,
}

impl Complaints {
    /// Something that was skipped.
    pub(super) fn skipped(&mut self, what: impl Into<String>, place: impl FnOnce() -> String) {
        self.count("skipped", what.into(), place, 1);
    }

    /// The rest of a list, which the file puts in too many places.
    pub(super) fn cut_off(&mut self, place: impl FnOnce() -> String) {
        let what = "what the file refers to again and again was not read to the end";
        self.count("shared-too-often", what.to_owned(), place, 1);
    }

    /// A key that gapless does not know, met so many times.
    pub(super) fn unknown_key(&mut self, of: &str, key: &str, times: usize) {
        let what = format!("unknown key {:?} of {of}: not used", excerpt(key, 40));
        self.count("unknown-key", what, String::new, times);
    }

    fn count(
        &mut self,
        code: &'static str,
        what: String,
        place: impl FnOnce() -> String,
        times: usize,
    ) {
        let kinds = self.counts.entry(code).or_default();
        let is_new = !kinds.contains_key(&what) && MOST_KINDS <= kinds.len();
        let what = if is_new { "more of other kinds".to_owned() } else { what };
        let count = kinds.entry(what).or_insert_with(|| Count { times: 0, place: place() });
        count.times += times;
    }

    /// A note for each kind.
    pub(super) fn into_notes(self) -> Vec<Note> {
        let kinds = self.counts.into_iter().flat_map(|(code, kinds)| {
            kinds.into_iter().map(move |(what, count)| (code, what, count))
        });
        let note = |(code, what, Count { times, place })| {
            let place = if place.is_empty() { place } else { format!(", first at {place}") };
            let times = if 1 < times { format!(" ({times} times{place})") } else { place };
            Note::missing(code, format!("{what}{times}"))
        };
        kinds.map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_said_once_and_not_all_of_a_million_are() {
        let mut complaints = Complaints::default();
        for index in 0..1000 {
            let list = "device_traces[0]";
            let place = || Place { list, index }.to_string();
            complaints.skipped(format!("kind {}", index % 100 + 100), place);
        }
        let notes = complaints.into_notes();
        assert_eq!(notes.len(), 21);
        assert_eq!(notes[0].text, "kind 100 (10 times, first at device_traces[0][0])");
        let rest = "more of other kinds (800 times, first at device_traces[0][20])";
        assert_eq!(notes[20].text, rest);
    }
}
