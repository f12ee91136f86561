//! Blocks that have an offset, and where between them there is room for another.
//!
//! The turn is cut into pieces, once into few and once into many, and each piece knows all blocks
//! that are alive in it:
//!
//! ```text
//!   the whole turn  ├───────────────────────────────────────────────┤
//!   8 pieces        ├─────┼─────┼─────┼─────┼─────┼─────┼─────┼─────┤
//!   64 pieces       ├┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┤
//! ```
//!
//! Most blocks live for a few steps. Who looks for room for one asks the smallest piece that all of
//! its life lies in, which knows few others.

use gapless_units::Bytes;

use crate::cycle::{Cycle, Life, Span};

/// Into how many pieces the turn is cut.
const LEVELS: [u32; 3] = [64, 8, 1];

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
    levels: [Level; LEVELS.len()],
}

/// The turn, cut into pieces of equal length.
#[derive(Clone, Debug)]
struct Level {
    /// The blocks that are alive in each piece, by offset.
    pieces: Vec<Vec<Block>>,
}

/// What has to be known of a block to lay another beside it.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: Bytes,
    end: Bytes,
    life: Life,
}

impl Level {
    /// The pieces of a turn of `period` steps in which a block is alive: the first, and the last,
    /// counted on through the next turn.
    fn lifetime(&self, period: u32, span: Span) -> (usize, usize) {
        let count = self.pieces.len() as u64;
        let piece = |step: u32| {
            let piece = u64::from(step) * count / u64::from(period);
            usize::try_from(piece).unwrap_or(usize::MAX)
        };
        (piece(span.born), piece(span.dies() - 1))
    }
}

impl<'a> Placed<'a> {
    pub(crate) fn new(cycle: &'a Cycle) -> Self {
        let level = |count: u32| Level { pieces: vec![Vec::new(); count as usize] };
        Self { cycle, levels: LEVELS.map(level) }
    }

    pub(crate) fn add(&mut self, span: Span, offset: Bytes) {
        let block = Block { start: offset, end: offset + span.size, life: span.into() };
        for level in &mut self.levels {
            let (first, last) = level.lifetime(self.cycle.period(), span);
            let count = level.pieces.len();
            for piece in (first..=last).take(count) {
                let blocks = &mut level.pieces[piece % count];
                let at = blocks.partition_point(|other| other.start < block.start);
                blocks.insert(at, block);
            }
        }
    }

    /// Where there is room for a block while it is alive.
    pub(crate) fn room_for(&self, span: Span, fit: Fit) -> Bytes {
        let mut tightest: Option<(Bytes, Bytes)> = None;
        // Behind all that was looked at and meets the block.
        let mut end = Bytes::ZERO;
        for other in self.around(span) {
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

    /// All blocks that meet another, and some more: those alive in the smallest piece that its life
    /// lies in.
    fn around(&self, span: Span) -> &[Block] {
        let period = self.cycle.period();
        let mut pieces = self.levels.iter().filter_map(|level| {
            let (first, last) = level.lifetime(period, span);
            (first == last).then(|| &level.pieces[first])
        });
        // What lives into the next turn lies in no piece, not even in the whole turn.
        pieces.next().unwrap_or(&self.levels[LEVELS.len() - 1].pieces[0])
    }
}
