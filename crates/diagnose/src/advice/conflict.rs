//! What settings do not go together with: data, read from a file.

use gapless_replay::Candidate;
use serde::Deserialize;

const CATALOG: &str = include_str!("../../data/conflicts.toml");

/// Something to know before a setting is used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// A stable name.
    pub code: String,
    /// The setting.
    pub key: String,
    /// The sentence.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    conflict: Vec<Conflict>,
}

impl Conflict {
    /// Every conflict known.
    pub fn catalog() -> Vec<Self> {
        let catalog: Catalog = toml::from_str(CATALOG).unwrap_or(Catalog { conflict: Vec::new() });
        catalog.conflict
    }

    /// What a candidate's changes bring with them.
    pub fn of(candidate: &Candidate) -> Vec<Self> {
        let applies = |conflict: &Self| {
            let key = conflict.key.as_str();
            candidate.changed.contains(&key) && !candidate.dropped.contains(&key)
        };
        Self::catalog().into_iter().filter(applies).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_trace::{Release, Settings};

    use super::*;

    #[test]
    fn the_catalog_names_each_conflict_once() {
        let mut codes: Vec<_> = Conflict::catalog().into_iter().map(|c| c.code).collect();
        let count = codes.len();
        codes.sort();
        codes.dedup();
        assert!(10 <= count && codes.len() == count);
    }

    #[test]
    fn what_is_dropped_conflicts_with_nothing() {
        let candidate = |key, dropped: &[&'static str]| Candidate {
            settings: Settings::default(),
            release: Release::new(2, 15),
            changed: vec![key],
            dropped: dropped.to_vec(),
        };
        for key in ["expandable_segments", "max_split_size_mb"] {
            assert!(Conflict::of(&candidate(key, &[])).iter().any(|it| it.key == key));
            assert_eq!(Conflict::of(&candidate(key, &[key])), []);
        }
    }
}
