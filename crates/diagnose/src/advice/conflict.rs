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
    /// The value meant; any where none is named.
    pub value: Option<String>,
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
        let settings = &candidate.settings;
        let text = settings.to_text();
        let applies = |conflict: &Self| {
            let is_changed = candidate.changed.contains(&conflict.key.as_str());
            let is_dropped = !text.contains(&conflict.key);
            let value = match conflict.value.as_deref() {
                Some("True") => settings.expandable_segments,
                Some(_) | None => true,
            };
            is_changed && !is_dropped && value
        };
        Self::catalog().into_iter().filter(applies).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_trace::{Release, Settings};
    use gapless_units::Bytes;

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
    fn switching_expandable_segments_off_conflicts_with_nothing() {
        let candidate = |on| Candidate {
            settings: Settings { expandable_segments: on, ..Settings::default() },
            release: Release::new(2, 15),
            changed: vec!["expandable_segments"],
        };
        assert!(Conflict::of(&candidate(false)).is_empty());
        assert!(Conflict::of(&candidate(true)).iter().any(|c| c.code == "expandable-ipc"));
    }

    #[test]
    fn what_is_dropped_conflicts_with_nothing() {
        let with = |limit| Candidate {
            settings: Settings { max_split_size: limit, ..Settings::default() },
            release: Release::new(2, 15),
            changed: vec!["max_split_size_mb"],
        };
        assert!(!Conflict::of(&with(Some(Bytes::mib(128)))).is_empty());
        assert!(Conflict::of(&with(None)).is_empty());
    }
}
