//! A turn cut into pieces, once into few and once into many.
//!
//! ```text
//!   the whole turn  ├───────────────────────────────────────────────┤
//!   8 pieces        ├─────┼─────┼─────┼─────┼─────┼─────┼─────┼─────┤
//!   64 pieces       ├┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┼┤
//! ```
//!
//! Most blocks live for a few steps. Each piece knows what is alive in it; who asks what else is
//! alive during a block asks the smallest piece that all of its life lies in.

use crate::cycle::Span;

/// Into how many pieces the turn is cut.
const LEVELS: [usize; 3] = [64, 8, 1];

/// What is known of each piece of a turn.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<T> {
    period: u32,
    levels: [Vec<T>; LEVELS.len()],
}

impl<T: Clone + Default> Pieces<T> {
    /// The pieces of a turn of so many steps, of which nothing is known.
    pub(crate) fn new(period: u32) -> Self {
        Self { period, levels: LEVELS.map(|count| vec![T::default(); count]) }
    }

    /// Of so many pieces those in which a block is alive: the first, and the last, counted on
    /// through the next turn.
    fn pieces_of(period: u32, count: usize, span: Span) -> (usize, usize) {
        let piece = |step: u32| {
            let piece = u64::from(step) * count as u64 / u64::from(period);
            usize::try_from(piece).unwrap_or(usize::MAX)
        };
        (piece(span.born), piece(span.dies() - 1))
    }

    /// Does something with every piece in which a block is alive.
    pub(crate) fn for_each(&mut self, span: Span, mut change: impl FnMut(&mut T)) {
        for level in &mut self.levels {
            let count = level.len();
            let (first, last) = Self::pieces_of(self.period, count, span);
            (first..=last).take(count).for_each(|piece| change(&mut level[piece % count]));
        }
    }

    /// The smallest piece that all of a block's life lies in.
    pub(crate) fn around(&self, span: Span) -> &T {
        let mut pieces = self.levels.iter().filter_map(|level| {
            let (first, last) = Self::pieces_of(self.period, level.len(), span);
            (first == last).then(|| &level[first])
        });
        // A life that goes on into the next turn lies in no piece, not even in the whole turn.
        pieces.next().unwrap_or(&self.levels[LEVELS.len() - 1][0])
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::Bytes;

    use super::*;

    fn span(born: u32, life: u32) -> Span {
        Span { born, life, size: Bytes::new(1), at: None }
    }

    #[test]
    fn the_smallest_piece_around_a_block_knows_what_it_meets() {
        let mut pieces = Pieces::<Vec<u32>>::new(6400);
        let blocks = [span(0, 6400), span(0, 100), span(100, 800), span(6399, 2), span(250, 1)];
        for (name, &block) in (0..).zip(&blocks) {
            pieces.for_each(block, |piece| piece.push(name));
        }
        assert_eq!(pieces.around(blocks[0]), &[0, 1, 2, 3, 4]);
        assert_eq!(pieces.around(blocks[1]), &[0, 1, 3]);
        assert_eq!(pieces.around(blocks[2]), &[0, 1, 2, 3, 4]);
        assert_eq!(pieces.around(blocks[3]), &[0, 1, 2, 3, 4]);
        assert_eq!(pieces.around(blocks[4]), &[0, 2, 4]);
        assert_eq!(pieces.around(span(700, 50)), &[0, 2]);
        assert_eq!(pieces.around(span(3000, 150)), &[0]);
    }
}
