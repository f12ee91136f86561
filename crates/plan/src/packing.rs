//! Where the blocks of a cycle lie.

use std::cmp::Reverse;

use gapless_units::Bytes;

use crate::cycle::{Cycle, Span};
use crate::placed::{Fit, Placed};

/// The orders in which blocks are placed, and where in the free room.
///
/// Placing by size is what compilers for neural networks do (Y. Pisarchyk and J. Lee, *Efficient
/// Memory Management for Deep Neural Net Inference*, 2020, "greedy by size").
const RULES: [(Order, Fit); 8] = [
    (Order::Size, Fit::Tightest),
    (Order::Births, Fit::Lowest),
    (Order::Births, Fit::Tightest),
    (Order::Life, Fit::Lowest),
    (Order::Life, Fit::Tightest),
    (Order::Area, Fit::Lowest),
    (Order::Area, Fit::Tightest),
    (Order::Size, Fit::Lowest),
];

/// Pairs of blocks that may be looked at before no further rule is tried: less than a tenth of a second
/// at the worst, but for the first.
const EFFORT: usize = 1 << 26;

#[derive(Clone, Copy, Debug)]
enum Order {
    /// The largest first; of equal ones those that live longest.
    Size,
    /// Those that live longest first; of equal ones the largest.
    Life,
    /// Those that live for more than half a cycle first, in the order of their births.
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
    /// Several packings, at least one, each made when it is asked for, which takes time with the
    /// square of the number of blocks where they live long. What has to lie somewhere lies there.
    pub fn each(cycle: &Cycle) -> impl Iterator<Item = Self> {
        let affordable = RULES.iter().take((EFFORT / Self::pairs(cycle).max(1)).max(1));
        affordable.map(|&(order, fit)| Self::by(cycle, order, fit))
    }

    /// How many pairs of blocks are looked at for a packing, at most: those of which one has to be placed.
    pub fn pairs(cycle: &Cycle) -> usize {
        let to_place = cycle.spans().iter().filter(|span| span.at.is_none()).count();
        to_place.saturating_mul(cycle.spans().len())
    }

    /// Where each block begins, in the order of the cycle's spans.
    pub fn offsets(&self) -> &[Bytes] {
        &self.offsets
    }

    /// Where the highest block ends.
    pub fn height(&self) -> Bytes {
        self.height
    }

    /// How many pages of this size hold a byte of a block at some time.
    pub fn touched_pages(&self, cycle: &Cycle, page: Bytes) -> u64 {
        let pages = |at: Bytes, size: Bytes| {
            let end = at + size;
            (at.get() / page.get(), end.get().div_ceil(page.get()))
        };
        let blocks = cycle.spans().iter().filter(|span| !span.size.is_zero()).zip(&self.offsets);
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
