//! Where requests of each size were mapped before.
//!
//! A request that is short of pages goes where the fewest have to be mapped. A gap offers its ends
//! for that, which lie where its neighbors happen to end; where a block of this size lay before, with
//! its mappings, may be in the middle. So places that were mapped for a request are kept in mind, and
//! a program that comes back to a state it was in finds its pages under its addresses again.
//!
//! `GMLake` keeps the blocks that it stitched for the same reason (C. Guo and others, "`GMLake`:
//! Efficient and Transparent GPU Memory Defragmentation for Large-scale DNN Training with Virtual
//! Memory Stitching", ASPLOS 2024).

use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

/// How many places of a size are kept in mind.
const PLACES: usize = 64;

/// Of how many sizes. With more, all are forgotten: such a program does not come back.
const SIZES: usize = 4096;

/// Places of an arena by size, in the order of addresses.
#[derive(Debug, Default)]
pub(super) struct KnownPlaces {
    by_size: FxHashMap<Bytes, Vec<Known>>,
    /// Counts what was mapped.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    start: Addr,
    /// When it was mapped last.
    mapped: u64,
}

impl KnownPlaces {
    /// Keeps a place in mind.
    pub(super) fn note(&mut self, place: Extent) {
        if self.by_size.len() == SIZES && !self.by_size.contains_key(&place.size()) {
            self.by_size.clear();
        }
        self.clock += 1;
        let known = Known { start: place.start(), mapped: self.clock };
        let places = self.by_size.entry(place.size()).or_default();
        match places.binary_search_by_key(&known.start, |known| known.start) {
            Ok(at) => places[at] = known,
            Err(at) => places.insert(at, known),
        }
        if PLACES < places.len()
            && let Some(oldest) = (0..places.len()).min_by_key(|&at| places[at].mapped)
        {
            places.remove(oldest);
        }
    }

    /// Forgets all places in an extent.
    pub(super) fn forget(&mut self, extent: Extent) {
        let is_elsewhere =
            |known: &Known| known.start < extent.start() || extent.end() <= known.start;
        self.by_size.retain(|_, places| {
            places.retain(is_elsewhere);
            !places.is_empty()
        });
    }

    /// Where blocks of this size were mapped.
    pub(super) fn of(&self, size: Bytes) -> Option<PlacesOfSize<'_>> {
        Some(PlacesOfSize { size, places: self.by_size.get(&size)? })
    }
}

/// Places of one size, in the order of addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacesOfSize<'a> {
    size: Bytes,
    places: &'a [Known],
}

impl<'a> PlacesOfSize<'a> {
    /// Those that lie in a gap.
    pub(super) fn within(self, gap: Extent) -> impl Iterator<Item = Extent> + use<'a> {
        let first = self.places.partition_point(|known| known.start < gap.start());
        let places = self.places[first..].iter();
        let places = places.map(move |known| Extent::between(known.start, known.start + self.size));
        places.take_while(move |&place| gap.contains(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(start: u64, size: u64) -> Extent {
        Extent::between(Addr::new(start), Addr::new(start + size))
    }

    #[test]
    fn the_last_places_of_each_size_are_known() {
        let mut known = KnownPlaces::default();
        for start in 0..=PLACES as u64 {
            known.note(place(start, 1));
        }
        known.note(place(7, 1));
        known.note(place(7, 2));
        let everything = place(0, 1000);
        let starts = |known: &KnownPlaces, size, gap| -> Vec<u64> {
            let places = known.of(Bytes::new(size));
            let places = places.into_iter().flat_map(|places| places.within(gap));
            places.map(|place| place.start().get()).collect()
        };
        let of_one = starts(&known, 1, everything);
        assert_eq!(of_one, (1..=PLACES as u64).collect::<Vec<_>>());
        assert_eq!(starts(&known, 1, place(30, 3)), [30, 31, 32]);
        assert_eq!(starts(&known, 2, everything), [7]);
        assert_eq!(starts(&known, 2, place(7, 1)), []);
        assert!(known.of(Bytes::new(3)).is_none());
        known.forget(place(7, 10));
        let rest = of_one.into_iter().filter(|start| !(7..17).contains(start));
        assert_eq!(starts(&known, 1, everything), rest.collect::<Vec<_>>());
        assert!(known.of(Bytes::new(2)).is_none());
    }

    #[test]
    fn sizes_that_never_come_back_do_not_pile_up() {
        let mut known = KnownPlaces::default();
        for size in 1..3 * SIZES as u64 {
            known.note(place(0, size));
        }
        assert!(known.by_size.len() <= SIZES);
    }
}
