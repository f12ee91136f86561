//! First fit by address without looking at every address: places in groups of doubling room.
//!
//! A place of a higher group than a size fits for sure, so the first of each such group is the only
//! one of it to look at; in the size's own group the first that is large enough is looked for.

use std::collections::BTreeMap;

use gapless_units::{Addr, Bytes};

/// How many groups there are: one for each power of two.
const GROUPS: usize = 64;

/// Places by address, each with the largest request that it has room for.
#[derive(Clone, Debug)]
pub(super) struct FirstFit<T> {
    /// A bit for each group that has a place.
    occupied: u64,
    groups: [BTreeMap<Addr, (Bytes, T)>; GROUPS],
}

impl<T> Default for FirstFit<T> {
    fn default() -> Self {
        Self { occupied: 0, groups: std::array::from_fn(|_| BTreeMap::new()) }
    }
}

impl<T: Copy> FirstFit<T> {
    fn group(room: Bytes) -> usize {
        room.get().max(1).ilog2() as usize
    }

    /// Enters a place; one without room is not entered.
    pub(super) fn insert(&mut self, addr: Addr, room: Bytes, place: T) {
        if !room.is_zero() {
            let group = Self::group(room);
            self.groups[group].insert(addr, (room, place));
            self.occupied |= 1 << group;
        }
    }

    /// Takes out the place at an address that had so much room when it was entered.
    pub(super) fn remove(&mut self, addr: Addr, room: Bytes) {
        let group = Self::group(room);
        self.groups[group].remove(&addr);
        if self.groups[group].is_empty() {
            self.occupied &= !(1 << group);
        }
    }

    /// The first place at or behind an address with room for `size`.
    pub(super) fn first(&self, size: Bytes, from: Addr) -> Option<(Addr, T)> {
        let group = Self::group(size);
        let larger = (group + 1..GROUPS).filter(|group| self.occupied >> group & 1 == 1);
        let firsts = larger.filter_map(|group| self.groups[group].range(from..).next());
        let larger = firsts.map(|(&addr, &(_, place))| (addr, place)).min_by_key(|it| it.0);
        let behind = larger.map_or(Addr::new(u64::MAX), |(addr, _)| addr.max(from));
        let mut own = self.groups[group].range(from..behind);
        let own = own.find(|&(_, &(room, _))| size <= room);
        own.map(|(&addr, &(_, place))| (addr, place)).or(larger)
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_with_room_is_the_one_of_the_lowest_address() {
        let mut places = FirstFit::default();
        for (addr, room) in [(10, 5), (20, 9), (30, 6), (40, 100), (50, 7)] {
            places.insert(Addr::new(addr), Bytes::new(room), addr);
        }
        let first = |places: &FirstFit<u64>, size, from| {
            places.first(Bytes::new(size), Addr::new(from)).map(|(_, place)| place)
        };
        assert_eq!(first(&places, 5, 0), Some(10));
        assert_eq!(first(&places, 6, 0), Some(20));
        assert_eq!(first(&places, 6, 21), Some(30));
        assert_eq!(first(&places, 7, 21), Some(40));
        assert_eq!(first(&places, 7, 41), Some(50));
        assert_eq!(first(&places, 101, 0), None);
        places.remove(Addr::new(20), Bytes::new(9));
        assert_eq!(first(&places, 7, 0), Some(40));
        assert_eq!(places.len(), 4);
    }
}
