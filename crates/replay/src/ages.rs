//! Which of the segments that were there before a recording is older.
//!
//! From 2.13 on the oldest segment wins among free blocks of one size, and a recording does not
//! tell the ages of segments older than itself. It shows them: each time a block was taken while
//! others fitted equally well, its segment was the oldest. The recording is followed once, these
//! pairs are collected, and the segments are put into an order that agrees with them.

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::caching::Adopted;
use gapless_units::Addr;

/// So many pairs say more than enough: recorded programs have a few thousand.
const MOST: usize = 1 << 20;

/// Pairs of segments, the older first, by their places among the segments of the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(BTreeSet<(usize, usize)>);

impl Pairs {
    /// One of these segments was preferred to the others.
    pub(crate) fn prefer(&mut self, chosen: usize, others: impl IntoIterator<Item = usize>) {
        let others = others.into_iter().filter(|&other| other != chosen);
        self.0.extend(others.map(|other| (chosen, other)));
    }

    /// Whether no more are worth to be collected.
    pub(crate) fn is_full(&self) -> bool {
        MOST <= self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An order of `count` segments that agrees with the pairs, by address where they say
    /// nothing. Where they contradict one another, the lowest address comes first.
    pub(crate) fn order(&self, count: usize) -> Vec<usize> {
        let mut younger: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut waits_for = vec![0_usize; count];
        for &(older, newer) in &self.0 {
            younger.entry(older).or_default().push(newer);
            waits_for[newer] += 1;
        }
        let mut left: BTreeSet<usize> = (0..count).collect();
        let mut ready: BTreeSet<usize> =
            left.iter().copied().filter(|&s| waits_for[s] == 0).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(next) = ready.pop_first().or_else(|| left.first().copied()) {
            left.remove(&next);
            order.push(next);
            for &newer in younger.get(&next).into_iter().flatten() {
                waits_for[newer] = waits_for[newer].saturating_sub(1);
                if waits_for[newer] == 0 && left.contains(&newer) {
                    ready.insert(newer);
                }
            }
        }
        order
    }
}

/// The place of the segment that holds an address; `segments` is sorted by address.
pub(crate) fn segment_at(segments: &[Adopted], addr: Addr) -> Option<usize> {
    let behind = segments.partition_point(|segment| segment.extent.start() <= addr);
    let place = behind.checked_sub(1)?;
    let segment = &segments[place];
    let Some(reservation) = segment.reservation else {
        return (addr < segment.extent.end()).then_some(place);
    };
    // All ranges of one expandable segment have one age: the first stands for them.
    let first = segments.iter().position(|other| other.reservation == Some(reservation))?;
    (addr < reservation.end()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_agrees_with_what_was_seen_and_follows_addresses_otherwise() {
        let mut pairs = Pairs::default();
        pairs.prefer(3, [0, 1]);
        pairs.prefer(2, [3, 2]);
        assert_eq!(pairs.order(5), [2, 3, 0, 1, 4]);
    }

    #[test]
    fn contradictions_do_not_lose_a_segment() {
        let mut pairs = Pairs::default();
        pairs.prefer(0, [1]);
        pairs.prefer(1, [0]);
        assert_eq!(pairs.order(2), [0, 1]);
    }
}
