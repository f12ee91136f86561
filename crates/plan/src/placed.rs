//! Blocks that have an offset, and where between them there is room for another.

use gapless_units::Bytes;

use crate::cycle::{Cycle, Life, Span};
use crate::pieces::Pieces;

/// Which of the holes with room for a block it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fit {
    /// The smallest.
    Tightest,
    /// The first.
    Lowest,
}

/// Blocks of a cycle that have an offset.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    cycle: &'a Cycle,
    /// The blocks that are alive in each piece, by offset.
    pieces: Pieces<Vec<Block>>,
}

/// What has to be known of a block to lay another beside it.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: Bytes,
    end: Bytes,
    life: Life,
}

/// How many pairs of blocks are looked at, at most, to find room for those that have none.
pub(crate) fn pairs(cycle: &Cycle) -> usize {
    let mut alive = Pieces::<usize>::new(cycle.period());
    cycle.spans().iter().for_each(|&span| alive.for_each(span, |count| *count += 1));
    let to_place = cycle.spans().iter().filter(|span| span.at.is_none());
    to_place.map(|&span| alive.around(span)).sum()
}

impl<'a> Placed<'a> {
    pub(crate) fn new(cycle: &'a Cycle) -> Self {
        Self { cycle, pieces: Pieces::new(cycle.period()) }
    }

    pub(crate) fn add(&mut self, span: Span, offset: Bytes) {
        let block = Block { start: offset, end: offset + span.size, life: span.into() };
        self.pieces.for_each(span, |blocks| {
            let at = blocks.partition_point(|other| other.start < block.start);
            blocks.insert(at, block);
        });
    }

    /// Where there is room for a block while it is alive.
    pub(crate) fn room_for(&self, span: Span, fit: Fit) -> Bytes {
        let mut tightest: Option<(Bytes, Bytes)> = None;
        // Behind all that was looked at and meets the block.
        let mut end = Bytes::ZERO;
        for other in self.pieces.around(span) {
            if !self.cycle.meet(other.life, span.into()) {
                continue;
            }
            let room = other.start.saturating_sub(end);
            if span.size <= room {
                match fit {
                    Fit::Lowest => return end,
                    Fit::Tightest if tightest.is_none_or(|(least, _)| room < least) => {
                        tightest = Some((room, end));
                    }
                    Fit::Tightest => {}
                }
            }
            end = end.max(other.end);
        }
        tightest.map_or(end, |(_, offset)| offset)
    }
}
