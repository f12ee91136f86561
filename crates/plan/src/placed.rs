//! Blocks that have an offset, and where between them there is room for another.

use gapless_units::Bytes;

use crate::cycle::{Cycle, Life, Span};
use crate::pieces::Pieces;

/// What lives for more than this part of a turn is lasting.
const LONG: u32 = 8;

/// Which of the gaps with room for a block it gets.
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
    /// Those that live long, by offset.
    lasting: Vec<Block>,
    /// The others that are alive in each piece, by offset.
    pieces: Pieces<Vec<Block>>,
}

/// What has to be known of a block to lay another beside it.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: Bytes,
    end: Bytes,
    life: Life,
}

/// Adds a block to others that are in the order of their offsets.
fn insert(blocks: &mut Vec<Block>, block: Block) {
    let at = blocks.partition_point(|other| other.start < block.start);
    blocks.insert(at, block);
}

/// Whether a block lives so long that it is in most pieces: in each it would have to be looked at
/// and, worse, moved for others.
fn is_lasting(cycle: &Cycle, span: Span) -> bool {
    cycle.period() / LONG < span.life
}

/// How many pairs of blocks are looked at, at most, to find room for those that have none.
pub(crate) fn pairs(cycle: &Cycle) -> usize {
    let mut alive = Pieces::<usize>::new(cycle.period());
    let (lasting, others): (Vec<Span>, Vec<Span>) =
        cycle.spans().iter().partition(|&&span| is_lasting(cycle, span));
    for span in others {
        alive.for_each(span, |count| *count += 1);
    }
    let to_place = cycle.spans().iter().filter(|span| span.at.is_none());
    to_place.map(|&span| lasting.len() + alive.around(span)).sum()
}

impl<'a> Placed<'a> {
    pub(crate) fn new(cycle: &'a Cycle) -> Self {
        Self { cycle, lasting: Vec::new(), pieces: Pieces::new(cycle.period()) }
    }

    pub(crate) fn add(&mut self, span: Span, offset: Bytes) {
        let block = Block { start: offset, end: offset + span.size, life: self.cycle.life(span) };
        if is_lasting(self.cycle, span) {
            insert(&mut self.lasting, block);
        } else {
            self.pieces.for_each(span, |blocks| insert(blocks, block));
        }
    }

    /// The blocks that are alive together with another, by offset.
    fn meeting(&self, span: Span) -> impl Iterator<Item = &Block> {
        let life = self.cycle.life(span);
        let meets = move |block: &&Block| block.life.meets(life);
        let mut lasting = self.lasting.iter().filter(meets).peekable();
        let mut others = self.pieces.around(span).iter().filter(meets).peekable();
        std::iter::from_fn(move || match (lasting.peek(), others.peek()) {
            (Some(long), Some(other)) if long.start <= other.start => lasting.next(),
            (Some(_), None) => lasting.next(),
            (_, _) => others.next(),
        })
    }

    /// Where there is room for a block while it is alive.
    pub(crate) fn place_for(&self, span: Span, fit: Fit) -> Bytes {
        let mut tightest: Option<(Bytes, Bytes)> = None;
        // Behind all that was looked at.
        let mut end = Bytes::ZERO;
        for other in self.meeting(span) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn span(born: u32, life: u32) -> Span {
        Span { born, life, size: Bytes::new(512), at: None }
    }

    #[test]
    fn pairs_are_those_that_are_looked_at() {
        let short = (0..640).map(|born| span(born, 1));
        // Ten are alive in each of 64 pieces.
        assert_eq!(pairs(&Cycle::new(640, short.clone().collect())), 640 * 10);
        let always = (0..100).map(|born| span(born, 640));
        assert_eq!(pairs(&Cycle::new(640, always.clone().collect())), 100 * 100);
        let fixed = always.map(|span| Span { at: Some(Bytes::ZERO), ..span });
        let cycle = Cycle::new(640, short.chain(fixed.take(7)).collect());
        assert_eq!(pairs(&cycle), 640 * (10 + 7));
    }

    #[test]
    fn what_lasts_is_kept_once() {
        let fixed = (0..1000).map(|at| Span { at: Some(Bytes::new(1024 * at)), ..span(0, 640) });
        let cycle = Cycle::new(640, fixed.collect());
        let mut placed = Placed::new(&cycle);
        cycle.spans().iter().for_each(|&span| placed.add(span, span.at.unwrap_or_default()));
        assert_eq!(placed.lasting.len(), 1000);
        for step in 0..640 {
            assert!(placed.pieces.around(span(step, 1)).is_empty());
        }
        assert_eq!(placed.meeting(span(3, 1)).count(), 1000);
    }
}
