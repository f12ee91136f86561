//! Places to draw blocks at, for recordings that do not say where they were placed.
//!
//! An operation list names blocks and not addresses. To be drawn over events each block needs a
//! place that no other block has while it lives; it gets the smallest free extent that holds it.
//! These places say nothing about the program, and the page says so.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use gapless_trace::{Allocation, Instant};

/// A place for each of the allocations, which stand in the order of birth.
pub(super) fn places(allocations: &[Allocation]) -> Vec<u64> {
    let mut shelves = Shelves::default();
    let mut leaving: BinaryHeap<Reverse<(Instant, u64, u64)>> = BinaryHeap::new();
    let place = |allocation: &Allocation| {
        while let Some(&Reverse((freed, place, size))) = leaving.peek()
            && freed <= allocation.born
        {
            leaving.pop();
            shelves.give_back(place, size);
        }
        let size = allocation.size.get().max(1);
        let place = shelves.take(size);
        leaving.push(Reverse((allocation.freed, place, size)));
        place
    };
    allocations.iter().map(place).collect()
}

/// Free extents, by place and by size; all behind `end` is free too.
#[derive(Debug, Default)]
struct Shelves {
    by_place: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
    end: u64,
}

impl Shelves {
    fn take(&mut self, size: u64) -> u64 {
        let fitting = self.by_size.range((size, 0)..).next().copied();
        let Some((free, place)) = fitting else {
            let place = self.end;
            self.end += size;
            return place;
        };
        self.remove(place, free);
        if size < free {
            self.insert(place + size, free - size);
        }
        place
    }

    fn give_back(&mut self, mut place: u64, mut size: u64) {
        if let Some((&before, &free)) = self.by_place.range(..place).next_back()
            && before + free == place
        {
            self.remove(before, free);
            place = before;
            size += free;
        }
        if let Some(&free) = self.by_place.get(&(place + size)) {
            self.remove(place + size, free);
            size += free;
        }
        self.insert(place, size);
    }

    fn insert(&mut self, place: u64, size: u64) {
        self.by_place.insert(place, size);
        self.by_size.insert((size, place));
    }

    fn remove(&mut self, place: u64, size: u64) {
        self.by_place.remove(&place);
        self.by_size.remove(&(size, place));
    }
}

#[cfg(test)]
mod tests {
    use gapless_trace::StackId;
    use gapless_units::{Addr, Bytes, StreamId};

    use super::*;

    fn check_places(blocks: &[(u64, usize, usize)], expected: &[u64]) {
        let allocations: Vec<Allocation> = blocks
            .iter()
            .map(|&(size, born, freed)| Allocation {
                addr: Addr::new(0),
                requested: Bytes::new(size),
                size: Bytes::new(size),
                stream: StreamId::DEFAULT,
                stack: StackId::NONE,
                born: Instant::after(born),
                let_go: Instant::after(freed),
                freed: Instant::after(freed),
            })
            .collect();
        assert_eq!(places(&allocations), expected);
    }

    #[test]
    fn what_lives_together_lies_apart() {
        check_places(&[(10, 0, 9), (20, 1, 9), (5, 2, 9)], &[0, 10, 30]);
    }

    #[test]
    fn the_smallest_free_extent_that_fits_is_taken() {
        check_places(
            &[(30, 0, 4), (5, 1, 9), (10, 2, 4), (5, 3, 9), (8, 5, 9)],
            &[0, 30, 35, 45, 35],
        );
    }

    #[test]
    fn free_neighbors_become_one() {
        check_places(&[(10, 0, 2), (10, 1, 3), (20, 4, 9)], &[0, 10, 0]);
    }
}
