//! What is learnt from some turns of a program that repeats itself: what it asks for, and how long
//! each block lives.
//!
//! Time is counted in requests of the arena: what is freed between two requests is free for the
//! second. A block may live into the next turn, as gradients do that are freed once the next ones
//! are there; so two turns are planned as one where any block lives longer than one. What lives even
//! longer is not planned.

use gapless_plan::{Cycle, Span};
use gapless_units::Bytes;

/// So many turns are listened to for what they ask for, and as many more for what becomes of it.
const TURNS: usize = 2;

/// What was seen so far.
#[derive(Clone, Debug)]
pub(super) struct Lesson {
    /// How many requests a turn has.
    period: usize,
    /// The name of its first request.
    first: u32,
    heard: usize,
    asked: Vec<Asked>,
}

/// A request, and when its block was free again: so many requests later, where that is known.
#[derive(Clone, Copy, Debug)]
struct Asked {
    size: Bytes,
    life: Option<u32>,
}

/// A cycle as it was learnt: one turn or two, from where the fewest bytes are alive.
#[derive(Clone, Debug)]
pub(in crate::gapless) struct Learnt {
    /// How many requests a turn has.
    pub(super) period: usize,
    /// What is asked for.
    pub(super) sizes: Vec<Bytes>,
    /// What lives for a cycle at most. Births are places among the sizes, in their order.
    pub(in crate::gapless) cycle: Cycle,
    /// The place of the request that came after the lesson.
    pub(super) place: usize,
}

impl Lesson {
    /// A lesson that begins with the request of this name.
    pub(super) fn new(period: usize, first: u32) -> Self {
        Self { period, first, heard: 0, asked: Vec::with_capacity(TURNS * period) }
    }

    /// How many requests a turn has.
    pub(super) fn period(&self) -> usize {
        self.period
    }

    /// Takes in a request.
    pub(super) fn ask(&mut self, size: Bytes) {
        self.heard += 1;
        if self.asked.len() < TURNS * self.period {
            self.asked.push(Asked { size, life: None });
        }
    }

    /// Takes in a free of what a request got, by the name of the request.
    pub(super) fn free(&mut self, name: u32) {
        let place = name.wrapping_sub(self.first) as usize;
        if let Some(asked) = self.asked.get_mut(place)
            && asked.life.is_none()
        {
            asked.life = u32::try_from(self.heard - place).ok();
        }
    }

    /// Whether enough was seen.
    pub(super) fn is_over(&self) -> bool {
        2 * TURNS * self.period <= self.heard
    }

    /// What was learnt.
    pub(super) fn learnt(&self) -> Learnt {
        let outlives_a_turn =
            |asked: &Asked| asked.life.is_none_or(|life| self.period < life as usize);
        let is_one_turn = !self.asked[..self.period].iter().any(outlives_a_turn);
        let length = if is_one_turn { self.period } else { self.asked.len() };
        let mut asked = self.asked[..length].to_vec();
        let emptiest = (0..).zip(cycle(&asked).alive()).min_by_key(|&(_, alive)| alive);
        let begin = emptiest.map_or(0, |(place, _)| place);
        asked.rotate_left(begin);
        Learnt {
            period: self.period,
            sizes: asked.iter().map(|asked| asked.size).collect(),
            cycle: cycle(&asked),
            place: (self.heard + length - begin) % length,
        }
    }
}

impl Learnt {
    /// Which span of the cycle a request is that was made so many requests ago, if it is alive
    /// still. Now is the beginning of a cycle.
    pub(in crate::gapless) fn alive_since(&self, ago: usize) -> Option<usize> {
        let length = self.sizes.len();
        let born = u32::try_from(length.checked_sub(ago)?).ok()?;
        let spans = self.cycle.spans();
        let at = spans.binary_search_by_key(&born, |span| span.born).ok()?;
        (length < spans[at].dies() as usize).then_some(at)
    }
}

/// The cycle in which this is asked for, one at each step.
fn cycle(asked: &[Asked]) -> Cycle {
    let period = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    let spans = asked.iter().zip(0..).filter_map(|(&Asked { size, life }, born)| {
        let life = life.filter(|&life| life <= period)?;
        Some(Span { born, life, size, at: None })
    });
    Cycle::new(period, spans.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lesson of requests that are freed so many requests after, which began after 7 others; the
    /// second turn may differ.
    fn lesson(turns: [&[(u64, Option<u32>)]; 2]) -> Learnt {
        let period = turns[0].len();
        let requests = turns.concat();
        let mut lesson = Lesson::new(period, 7);
        lesson.free(3);
        for heard in 0.. {
            for (place, &(_, life)) in (0..).zip(&requests) {
                if life.is_some_and(|life| place + life == heard) {
                    lesson.free(7 + place);
                }
            }
            if lesson.is_over() {
                break;
            }
            lesson.ask(Bytes::new(requests[heard as usize % requests.len()].0));
        }
        assert_eq!(lesson.heard, 4 * period);
        lesson.learnt()
    }

    fn span(born: u32, life: u32, size: u64) -> Span {
        Span { born, life, size: Bytes::new(size), at: None }
    }

    #[test]
    fn a_cycle_begins_where_the_fewest_bytes_are_alive() {
        let turn = [(5, Some(1)), (10, Some(4)), (20, Some(2)), (30, Some(2))];
        let learnt = lesson([&turn, &turn]);
        assert_eq!(learnt.sizes, [10, 20, 30, 5].map(Bytes::new));
        let spans = [span(0, 4, 10), span(1, 2, 20), span(2, 2, 30), span(3, 1, 5)];
        assert_eq!(learnt.cycle.spans(), spans);
        assert_eq!(learnt.place, 3);
        assert_eq!((1..9).find_map(|ago| learnt.alive_since(ago)), None);
    }

    #[test]
    fn two_turns_are_a_cycle_where_a_block_outlives_one() {
        let learnt = lesson([
            &[(5, Some(1)), (10, Some(4)), (20, None)],
            &[(5, Some(1)), (10, Some(4)), (20, Some(1))],
        ]);
        assert_eq!(learnt.sizes, [5, 10, 20, 5, 10, 20].map(Bytes::new));
        // 20 was never freed in the first turn.
        let spans = [span(0, 1, 5), span(1, 4, 10), span(3, 1, 5), span(4, 4, 10), span(5, 1, 20)];
        assert_eq!(learnt.cycle.spans(), spans);
        assert_eq!(learnt.place, 0);
        let alive: Vec<_> = (1..9).map(|ago| learnt.alive_since(ago)).collect();
        assert_eq!(alive, [None, Some(3), None, None, None, None, None, None], "the second 10");
    }
}
