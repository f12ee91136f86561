//! What a program asks for again and again.

use gapless_units::Bytes;

/// What one turn of a repeating program asks for. A program that does not repeat is a cycle in which
/// nothing lives beyond the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    period: u32,
    spans: Vec<Span>,
}

/// A block in space and time. Steps are whatever the program is counted in; what dies at a step
/// makes room for what is born at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The step of the turn at which it is asked for.
    pub born: u32,
    /// For how many steps it is alive, those of the next turn included.
    pub life: u32,
    /// How large it is.
    pub size: Bytes,
    /// Where it has to lie, if that is settled: no two such blocks are in each other's way.
    pub at: Option<Bytes>,
}

impl Span {
    /// The step at which it is free again, counted from the turn in which it was born.
    pub fn dies(&self) -> u32 {
        self.born + self.life
    }
}

/// When a block is alive. Counted in parts of a turn, of which there are 2^32, what comes behind the
/// turn's end is at its beginning without more ado.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    born: u32,
    parts: u32,
}

impl Life {
    /// Whether two blocks are alive at the same step. Without a branch: it is asked of every pair.
    #[inline]
    pub(crate) fn meets(self, other: Self) -> bool {
        (other.born.wrapping_sub(self.born) < self.parts)
            | (self.born.wrapping_sub(other.born) < other.parts)
    }
}

impl Cycle {
    /// A cycle of `period` steps, 2^31 at most. Every span is born in it and lives for one step at
    /// least and a turn at most, since it would meet itself otherwise.
    ///
    /// # Panics
    ///
    /// Where that is not so.
    pub fn new(period: u32, spans: Vec<Span>) -> Self {
        assert!(period <= 1 << 31, "a cycle of {period} steps is too long");
        let is_sound = |span: &Span| span.born < period && (1..=period).contains(&span.life);
        assert!(spans.iter().all(is_sound), "a span that does not fit a cycle of {period} steps");
        Self { period, spans }
    }

    /// How many steps a turn has.
    pub fn period(&self) -> u32 {
        self.period
    }

    /// The blocks.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How much is alive right before each step, without what is born at it.
    pub fn alive(&self) -> Vec<Bytes> {
        let mut born = vec![Bytes::ZERO; self.period as usize];
        let mut dies = born.clone();
        let mut alive = Bytes::ZERO;
        for span in &self.spans {
            born[span.born as usize] += span.size;
            dies[(span.dies() % self.period) as usize] += span.size;
            if self.period <= span.dies() {
                alive += span.size;
            }
        }
        let steps = born.into_iter().zip(dies);
        let before = steps.map(|(born, dies)| {
            let before = alive - dies;
            alive = before + born;
            before
        });
        before.collect()
    }

    /// The most that is alive at one step: no packing is lower.
    pub fn load(&self) -> Bytes {
        let mut alive = self.alive();
        for span in &self.spans {
            alive[span.born as usize] += span.size;
        }
        alive.into_iter().max().unwrap_or(Bytes::ZERO)
    }

    /// When a block is alive. Steps keep their order: each is at a part of its own, as a turn has
    /// twice as many parts as steps at least.
    pub(crate) fn life(&self, span: Span) -> Life {
        let part = |step: u32| {
            let parts = (u64::from(step % self.period) << 32) / u64::from(self.period);
            u32::try_from(parts).unwrap_or(u32::MAX)
        };
        let born = part(span.born);
        // Steps are two parts apart at least, so that nothing is born in the last part of a turn.
        let is_always = span.life == self.period;
        let parts = if is_always { u32::MAX } else { part(span.dies()).wrapping_sub(born) };
        Life { born, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(born: u32, life: u32, size: u64) -> Span {
        Span { born, life, size: Bytes::new(size), at: None }
    }

    #[test]
    fn what_lives_into_the_next_turn_counts_at_its_start() {
        let cycle = Cycle::new(4, vec![span(0, 2, 5), span(3, 2, 7), span(1, 1, 1)]);
        assert_eq!(cycle.alive(), [7, 5, 0, 0].map(Bytes::new));
        assert_eq!(cycle.load(), Bytes::new(12));
        let lives: Vec<Life> = cycle.spans.iter().map(|&span| cycle.life(span)).collect();
        assert!(lives[0].meets(lives[1]));
        assert!(lives[2].meets(lives[0]));
        assert!(!lives[1].meets(lives[2]));
    }

    #[test]
    fn a_block_may_live_for_a_whole_turn() {
        let cycle = Cycle::new(3, vec![span(2, 3, 4), span(1, 1, 9)]);
        assert_eq!(cycle.load(), Bytes::new(13));
        assert!(cycle.life(cycle.spans[0]).meets(cycle.life(cycle.spans[1])));
        assert_eq!(Cycle::new(0, Vec::new()).load(), Bytes::ZERO);
    }

    #[test]
    #[should_panic(expected = "does not fit a cycle of 3 steps")]
    fn a_block_that_would_meet_itself_is_refused() {
        Cycle::new(3, vec![span(0, 4, 1)]);
    }
}
