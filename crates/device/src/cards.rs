//! The catalog of cards: data, read from a file.

use gapless_units::Bytes;
use serde::Deserialize;

const CATALOG: &str = include_str!("../data/cards.toml");

/// A card, or the part of one that a program sees as a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its name with its memory, such as `A100 40GB`.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// The device's total memory.
    pub memory: Bytes,
    /// Whether a driver was seen to report that; else it is what the card is sold with.
    pub reported: bool,
}

/// The catalog as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    card: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    vendor: String,
    memory_bytes: u64,
    reported: bool,
}

impl Card {
    /// Every card of the catalog, the smallest memory first.
    pub fn catalog() -> Vec<Self> {
        let catalog: Catalog = toml::from_str(CATALOG).unwrap_or(Catalog { card: Vec::new() });
        let card = |entry: Entry| Self {
            name: entry.name,
            vendor: entry.vendor,
            memory: Bytes::new(entry.memory_bytes),
            reported: entry.reported,
        };
        catalog.card.into_iter().map(card).collect()
    }

    /// The card of this name, whatever the case and the spaces; the memory may be left out where
    /// that leaves one.
    pub fn named(name: &str) -> Option<Self> {
        let wanted = plain(name);
        let catalog = Self::catalog();
        if let Some(card) = catalog.iter().find(|card| plain(&card.name) == wanted) {
            return Some(card.clone());
        }
        let without_memory = |card: &&Self| {
            card.name.rsplit_once(' ').is_some_and(|(name, _)| plain(name) == wanted)
        };
        let mut found = catalog.iter().filter(without_memory);
        let card = found.next()?;
        found.next().is_none().then(|| card.clone())
    }
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_in_order_and_names_each_card_once() {
        let catalog = Card::catalog();
        assert!(30 <= catalog.len());
        assert!(catalog.is_sorted_by_key(|card| (card.memory, card.name.clone())));
        let mut names: Vec<_> = catalog.iter().map(|card| plain(&card.name)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), catalog.len());
    }

    #[test]
    fn cards_are_found_by_name() {
        let memory = |name| Card::named(name).map(|card| card.memory);
        assert_eq!(memory("a100 40gb"), Some(Bytes::new(42298834944)));
        assert_eq!(memory("A100-80GB"), Some(Bytes::new(84987740160)));
        assert_eq!(memory("t4"), Some(Bytes::new(15828320256)));
        assert_eq!(memory("A100"), None, "there are two");
        assert_eq!(memory("Voodoo 2"), None);
    }
}
