//! Where the blocks of a cycle lie.

use std::cmp::Reverse;

use gapless_units::Bytes;

use crate::cycle::{Cycle, Span};
use crate::placed::{Fit, Placed, pairs};
use crate::room::{Room, TouchedPages};

/// The orders in which blocks are placed, and where in the free room.
///
/// Placing by size is what compilers for neural networks do (Y. Pisarchyk and J. Lee, *Efficient
/// Memory Management for Deep Neural Net Inference*, 2020, "greedy by size").
const RULES: [(Order, Fit); 8] = [
    (Order::Size, Fit::Tightest),
    (Order::Size, Fit::Lowest),
    (Order::Births, Fit::Lowest),
    (Order::Births, Fit::Tightest),
    (Order::Life, Fit::Lowest),
    (Order::Life, Fit::Tightest),
    (Order::Area, Fit::Lowest),
    (Order::Area, Fit::Tightest),
];

#[derive(Clone, Copy, Debug)]
enum Order {
    /// The largest first; of equal ones those that live longest.
    Size,
    /// Those that live longest first; of equal ones the largest.
    Life,
    /// Those that live for more than half a cycle first, in the order of their births; then the
    /// others, those that live longest first.
    Births,
    /// By size times life.
    Area,
}

/// An offset for every block of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    pub(crate) offsets: Vec<Bytes>,
    pub(crate) height: Bytes,
}

impl Packing {
    /// The packings that there is room for, each made when it is asked for; none where that takes too
    /// long. What has to lie somewhere lies there.
    ///
    /// Only as many are tried as so many pairs of blocks may be looked at for in all, each in some 3 ns: 15,000
    /// blocks of a recorded program have 2^26 pairs, 8,000 that are all alive at once as many.
    ///
    /// # Panics
    ///
    /// For pages of no byte.
    pub fn within(
        room: Room,
        cycle: &Cycle,
        most_pairs: usize,
    ) -> impl Iterator<Item = Self> + use<'_> {
        let affordable = RULES.iter().take(most_pairs / pairs(cycle).max(1));
        affordable.filter_map(move |&(order, fit)| Self::by(cycle, order, fit, room))
    }

    /// Where each block begins, in the order of the cycle's spans.
    pub fn offsets(&self) -> &[Bytes] {
        &self.offsets
    }

    /// Where the highest block ends.
    pub fn height(&self) -> Bytes {
        self.height
    }

    /// The packing by a rule, given up as soon as there is no room for it.
    fn by(cycle: &Cycle, order: Order, fit: Fit, room: Room) -> Option<Self> {
        let spans = cycle.spans();
        let mut sequence: Vec<usize> = (0..spans.len()).collect();
        sequence.sort_by_key(|&at| Reverse(order.rank(spans[at], cycle.period())));
        // What lies somewhere comes first, by offset.
        sequence.sort_by_key(|&at| (spans[at].at.is_none(), spans[at].at));
        let mut placed = Placed::new(cycle);
        let mut touched = TouchedPages::new(room.page);
        let mut packing = Self { offsets: vec![Bytes::ZERO; spans.len()], height: Bytes::ZERO };
        for at in sequence {
            let offset = spans[at].at.unwrap_or_else(|| placed.place_for(spans[at], fit));
            touched.add(offset, spans[at].size);
            if room.pages < touched.count() {
                return None;
            }
            placed.add(spans[at], offset);
            packing.offsets[at] = offset;
            packing.height = packing.height.max(offset + spans[at].size);
        }
        Some(packing)
    }
}

impl Order {
    fn rank(self, span: Span, period: u32) -> (u128, u64) {
        let (size, life) = (span.size.get(), u64::from(span.life));
        match self {
            Self::Size => (size.into(), life),
            Self::Births if period / 2 < span.life => (u128::MAX - u128::from(span.born), size),
            Self::Life | Self::Births => (life.into(), size),
            Self::Area => (u128::from(size) * u128::from(life), 0),
        }
    }
}
