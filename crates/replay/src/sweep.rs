//! Which other settings and releases are worth trying on a recording.

use gapless_trace::{Release, Settings};
use gapless_units::{Bytes, MIB};

use crate::program::{Operation, Program};

/// Settings and a release to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The settings.
    pub settings: Settings,
    /// The release.
    pub release: Release,
    /// The keys that differ from the current settings.
    pub changed: Vec<&'static str>,
    /// Those of them that are in force now and here are not.
    pub dropped: Vec<&'static str>,
}

impl Candidate {
    /// How large a change it is: the keys to change, and a change of the release as three.
    pub fn effort(&self, current: Release) -> usize {
        self.changed.len() + if self.release == current { 0 } else { 3 }
    }
}

/// The last release before the tie-break among free blocks changed.
const OLD_TIES: Release = Release::new(2, 11);

/// One value of one key.
#[derive(Clone, Copy, Debug)]
enum Value {
    Expandable(bool),
    MaxSplit(u64),
    Window(u64),
    Divisions(u64),
    GrowingDivisions,
    LargeDivisions,
    SegmentSize(u64),
    Collect(f64),
    Share(f64),
}

impl Value {
    /// The first release that knows the key; those before stop the program, or leave it out. Keys that every
    /// release here knows are of the first.
    fn since(self) -> Release {
        match self {
            Self::Expandable(_) => Release::new(2, 1),
            Self::Window(_) => Release::new(2, 6),
            Self::SegmentSize(_) => Release::new(2, 11),
            Self::MaxSplit(_)
            | Self::Divisions(_)
            | Self::GrowingDivisions
            | Self::LargeDivisions
            | Self::Collect(_)
            | Self::Share(_) => Release::new(1, 0),
        }
    }

    fn set(self, settings: &mut Settings) {
        let table = &mut settings.roundup_power2_divisions;
        match self {
            Self::Expandable(on) => settings.expandable_segments = on,
            Self::MaxSplit(mib) => settings.max_split_size = Some(Bytes::mib(mib)),
            Self::Window(mib) => settings.max_non_split_rounding = Some(Bytes::mib(mib)),
            Self::Divisions(divisions) => *table = [divisions; 16],
            Self::GrowingDivisions => {
                *table = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 8, 8, 8, 8];
            }
            Self::LargeDivisions => *table = [1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
            Self::SegmentSize(mib) => settings.large_segment_size = Bytes::mib(mib),
            Self::Collect(share) => settings.garbage_collection_threshold = Some(share),
            Self::Share(share) => settings.memory_fraction = Some(share),
        }
    }
}

/// What to try instead of `current` under `release`, the current first; settings that need a
/// limit only where the capacity is known. Nothing that cannot differ is tried twice.
pub fn candidates(
    program: &Program,
    current: &Settings,
    release: Release,
    limited: bool,
) -> Vec<Candidate> {
    let mut sweep = Sweep { current, base: current.clone(), release, found: Vec::new() };
    let split_sizes = split_sizes(program);
    sweep.add_all(&split_sizes, limited);
    let other = if OLD_TIES < release { OLD_TIES } else { crate::NEWEST_RELEASE };
    sweep.add(other, &[]);
    // What is in force may be what is wrong: the same without it, as a whole and key by key.
    let plain = KEYS.iter().fold(current.clone(), |plain, key| key.dropped(&plain));
    for base in KEYS.iter().map(|key| key.dropped(current)) {
        sweep.base = base;
        sweep.add(release, &[]);
    }
    sweep.base = plain;
    sweep.add_all(&split_sizes, limited);
    sweep.found
}

/// A key whose values are tried.
struct Key {
    name: &'static str,
    is_alike: fn(&Settings, &Settings) -> bool,
    take_over: fn(&mut Settings, Settings),
}

macro_rules! key {
    ($name:literal, $field:ident) => {
        Key {
            name: $name,
            is_alike: |one, other| one.$field == other.$field,
            take_over: |settings, other| settings.$field = other.$field,
        }
    };
}

/// The keys that are tried. What share of the memory a program may take is the user's wish, and is
/// not dropped.
const KEYS: [Key; 6] = [
    key!("expandable_segments", expandable_segments),
    key!("max_split_size_mb", max_split_size),
    key!("max_non_split_rounding_mb", max_non_split_rounding),
    key!("roundup_power2_divisions", roundup_power2_divisions),
    key!("large_segment_size_mb", large_segment_size),
    key!("garbage_collection_threshold", garbage_collection_threshold),
];

/// The key of [`Value::Share`].
const SHARE: Key = key!("per_process_memory_fraction", memory_fraction);

impl Key {
    /// Settings without this key.
    fn dropped(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        (self.take_over)(&mut settings, Settings::default());
        settings
    }
}

struct Sweep<'s> {
    current: &'s Settings,
    /// What values are added to.
    base: Settings,
    release: Release,
    found: Vec<Candidate>,
}

impl Sweep<'_> {
    /// Everything that can be added to the base.
    fn add_all(&mut self, split_sizes: &[u64], limited: bool) {
        let release = self.release;
        self.add(release, &[]);
        self.add(release, &[Value::Expandable(!self.base.expandable_segments)]);
        self.add_rounding();
        self.add_segment_sizes();
        self.add_split_limits(split_sizes);
        if limited {
            self.add_collection();
        }
    }

    fn add_rounding(&mut self) {
        for value in [
            Value::Divisions(2),
            Value::Divisions(4),
            Value::Divisions(8),
            Value::Divisions(16),
            Value::GrowingDivisions,
            Value::LargeDivisions,
        ] {
            self.add(self.release, &[value]);
            self.add(self.release, &[Value::Expandable(true), value]);
        }
    }

    fn add_segment_sizes(&mut self) {
        let expandable = Value::Expandable(true);
        for mib in [12, 16, 24, 32, 40, 64, 128] {
            let size = Value::SegmentSize(mib);
            self.add(self.release, &[size]);
            self.add(self.release, &[expandable, size]);
            self.add(self.release, &[size, Value::Divisions(8)]);
        }
        for mib in [12, 64] {
            for divisions in [4, 8] {
                let size = Value::SegmentSize(mib);
                self.add(self.release, &[expandable, Value::Divisions(divisions), size]);
            }
        }
    }

    fn add_split_limits(&mut self, sizes: &[u64]) {
        for &mib in sizes {
            self.add(self.release, &[Value::MaxSplit(mib)]);
        }
        for mib in [64, 128, 256, 512] {
            for window in [100, 200] {
                self.add(self.release, &[Value::MaxSplit(mib), Value::Window(window)]);
            }
            for divisions in [4, 8] {
                self.add(self.release, &[Value::MaxSplit(mib), Value::Divisions(divisions)]);
            }
            self.add(self.release, &[Value::Expandable(true), Value::MaxSplit(mib)]);
        }
    }

    /// Collecting needs a limit to collect below.
    fn add_collection(&mut self) {
        for threshold in [0.6, 0.8, 0.9] {
            let [collect, share] = [Value::Collect(threshold), Value::Share(0.95)];
            self.add(self.release, &[collect, share]);
            for mib in [64, 256] {
                self.add(self.release, &[Value::MaxSplit(mib), collect, share]);
            }
        }
    }

    fn add(&mut self, release: Release, values: &[Value]) {
        let mut settings = self.base.clone();
        for value in values {
            value.set(&mut settings);
        }
        settings.text = settings.to_text();
        let keys = KEYS.iter().chain([&SHARE]);
        let differ = keys.filter(|key| !(key.is_alike)(&settings, self.current));
        let usual = Settings::default();
        let (mut changed, mut dropped) = (Vec::new(), Vec::new());
        for key in differ {
            changed.push(key.name);
            if (key.is_alike)(&settings, &usual) {
                dropped.push(key.name);
            }
        }
        let known =
            |other: &Candidate| other.release == release && other.settings.text == settings.text;
        let nothing = changed.is_empty() && release == self.release;
        let is_known = values.iter().all(|value| value.since() <= release);
        let allowed = is_known && Settings::parse(&settings.text).is_ok();
        if allowed && !self.found.iter().any(known) && (!nothing || self.found.is_empty()) {
            self.found.push(Candidate { settings, release, changed, dropped });
        }
    }
}

/// Split limits in MiB: those people use, and the sizes that cut the program's large requests at
/// their median and at nine tenths.
fn split_sizes(program: &Program) -> Vec<u64> {
    let mut sizes = vec![20, 32, 64, 96, 128, 200, 256, 384, 512, 768, 1024, 2048];
    let mut large: Vec<u64> = program
        .operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::Allocate(id) => Some(program.requests[id.index()].size.get()),
            Operation::Fail(_)
            | Operation::Free(_)
            | Operation::Complete(_)
            | Operation::RecordStream(..)
            | Operation::EmptyCache
            | Operation::Synchronize => None,
        })
        .filter(|&size| 20 * MIB < size)
        .collect();
    large.sort_unstable();
    let largest = large.last().map_or(0, |size| size.div_ceil(MIB));
    for tenths in [5, 9] {
        if let Some(size) = large.get(large.len() * tenths / 10) {
            sizes.push(size.div_ceil(MIB));
        }
    }
    // A limit above every request changes nothing.
    sizes.retain(|&mib| mib <= largest.max(20));
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is in force may be what is wrong.
    #[test]
    fn what_is_in_force_may_be_dropped() {
        let newest = crate::NEWEST_RELEASE;
        let tried = |current: &str| -> Vec<Candidate> {
            let current = Settings::parse(current).unwrap();
            let found = candidates(&Program::default(), &current, newest, false);
            found.into_iter().filter(|candidate| candidate.release == newest).collect()
        };
        // One key begins like another.
        let found =
            tried("max_split_size_mb:128,expandable_segments:True,expandable_segments_reserve:2G");
        let dropped = |text: &str| {
            let found = found.iter().find(|it| it.settings.text == text);
            found.map(|it| it.dropped.clone())
        };
        let (split, grows) = ("max_split_size_mb", "expandable_segments");
        let reserve = "expandable_segments_reserve:2G";
        assert_eq!(dropped(reserve), Some(vec![grows, split]));
        assert_eq!(dropped(&format!("expandable_segments:True,{reserve}")), Some(vec![split]));
        let share = tried("per_process_memory_fraction:0.5");
        let is_kept = |it: &Candidate| it.settings.text.contains("per_process_memory_fraction:0.5");
        assert!(share.iter().all(is_kept), "it is the user's wish");
        let plain = tried("");
        let texts: BTreeSet<&String> = plain.iter().map(|it| &it.settings.text).collect();
        assert_eq!(texts.len(), plain.len(), "none is tried twice");
        assert!(plain.iter().all(|it| it.dropped.is_empty()));
    }

    /// A key that a release does not know stops the program, or is left out.
    #[test]
    fn no_release_is_offered_what_it_does_not_know() {
        let keys_of = |release: Release| -> Vec<&str> {
            let found = candidates(&Program::default(), &Settings::default(), release, true);
            let of_it = found.iter().filter(|candidate| candidate.release == release);
            of_it.flat_map(|candidate| candidate.changed.clone()).collect()
        };
        let known = [
            ("expandable_segments", Release::new(2, 0), Release::new(2, 1)),
            ("max_non_split_rounding_mb", Release::new(2, 5), Release::new(2, 6)),
            ("large_segment_size_mb", Release::new(2, 10), Release::new(2, 11)),
        ];
        for (key, before, since) in known {
            assert!(!keys_of(before).contains(&key), "{key} before {since}");
            assert!(keys_of(since).contains(&key), "{key} since {since}");
        }
        assert!(keys_of(Release::new(1, 13)).contains(&"max_split_size_mb"));
    }
}
