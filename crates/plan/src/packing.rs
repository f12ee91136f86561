//! Where the blocks of a cycle lie.

use std::cmp::Reverse;

use gapless_units::Bytes;

use crate::cycle::{Cycle, Span};
use crate::placed::{Fit, Placed, pairs};

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
    /// Several packings, each made when it is asked for; none where that takes too long. What has to
    /// lie somewhere lies there.
    ///
    /// Only as many as so many pairs of blocks may be looked at for in all, each in some 4 ns: 15,000 blocks
    /// of a recorded program have 2^26 pairs, 8,000 that are all alive at once as many.
    pub fn each(cycle: &Cycle, most_pairs: usize) -> impl Iterator<Item = Self> {
        let affordable = RULES.iter().take(most_pairs / pairs(cycle).max(1));
        affordable.map(|&(order, fit)| Self::by(cycle, order, fit))
    }

    /// Where each block begins, in the order of the cycle's spans.
    pub fn offsets(&self) -> &[Bytes] {
        &self.offsets
    }

    /// Where the highest block ends.
    pub fn height(&self) -> Bytes {
        self.height
    }

    /// How many pages of this size hold a byte of a block at some time. The cycle is the one that was
    /// packed; of another the answer means nothing.
    ///
    /// # Panics
    ///
    /// For pages of no byte.
    pub fn touched_pages(&self, cycle: &Cycle, page: Bytes) -> u64 {
        let pages = |at: Bytes, size: Bytes| {
            let end = at + size;
            (at.get() / page.get(), end.get().div_ceil(page.get()))
        };
        let blocks = cycle.spans().iter().zip(&self.offsets);
        let blocks = blocks.filter(|(span, _)| !span.size.is_zero());
        let mut touched: Vec<(u64, u64)> =
            blocks.map(|(span, &offset)| pages(offset, span.size)).collect();
        touched.sort_unstable();
        let mut behind = 0;
        let counts = touched.into_iter().map(|(first, end)| {
            let count = end.saturating_sub(first.max(behind));
            behind = behind.max(end);
            count
        });
        counts.sum()
    }

    fn by(cycle: &Cycle, order: Order, fit: Fit) -> Self {
        let spans = cycle.spans();
        let mut sequence: Vec<usize> = (0..spans.len()).collect();
        sequence.sort_by_key(|&at| Reverse(order.rank(spans[at], cycle.period())));
        // What lies somewhere comes first, by offset.
        sequence.sort_by_key(|&at| (spans[at].at.is_none(), spans[at].at));
        let mut placed = Placed::new(cycle);
        let mut packing = Self { offsets: vec![Bytes::ZERO; spans.len()], height: Bytes::ZERO };
        for at in sequence {
            let offset = spans[at].at.unwrap_or_else(|| placed.room_for(spans[at], fit));
            placed.add(spans[at], offset);
            packing.offsets[at] = offset;
            packing.height = packing.height.max(offset + spans[at].size);
        }
        packing
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
