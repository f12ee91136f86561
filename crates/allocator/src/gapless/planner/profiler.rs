//! A profile of some turns of a program that repeats itself: what it asks for, and how long
//! each block lives.
//!
//! Time is counted in requests of the arena: what is freed between two requests is free for the
//! second. A block may live into the next turn, as gradients do that are freed once the next ones
//! are there; so two turns are planned as one where any block lives longer than one. What lives even
//! longer is not planned.

use gapless_plan::{Cycle, Span};
use gapless_units::Bytes;

use crate::gapless::names::RequestNumber;

/// So many turns are watched for what they ask for, and as many more for what becomes of it.
const TURNS: usize = 2;

/// Profiles some turns of a program.
#[derive(Debug)]
pub(super) struct Profiler {
    /// How many requests a turn has.
    period: usize,
    /// The number of its first request.
    first: RequestNumber,
    seen: usize,
    asked: Vec<Asked>,
}

/// A request, and when its block was free again: so many requests later, where that is known.
#[derive(Clone, Copy, Debug)]
struct Asked {
    size: Bytes,
    life: Option<u32>,
}

/// A cycle as it was profiled: one turn or two, from where the fewest bytes are alive.
#[derive(Debug)]
pub(in crate::gapless) struct Profile {
    /// How many requests a turn has.
    pub(super) period: usize,
    /// What is asked for.
    pub(super) sizes: Vec<Bytes>,
    /// What lives for a cycle at most. Births are places among the sizes, in their order.
    pub(in crate::gapless) cycle: Cycle,
    /// The place of the request that came right behind the profile.
    pub(super) place: usize,
}

impl Profiler {
    /// One that begins with the request of this number.
    pub(super) fn new(period: usize, first: RequestNumber) -> Self {
        Self { period, first, seen: 0, asked: Vec::with_capacity(TURNS * period) }
    }

    /// How many requests a turn has.
    pub(super) fn period(&self) -> usize {
        self.period
    }

    /// Takes in a request.
    pub(super) fn ask(&mut self, size: Bytes) {
        self.seen += 1;
        if self.asked.len() < TURNS * self.period {
            self.asked.push(Asked { size, life: None });
        }
    }

    /// Takes in a free of what a request got, by the number of the request.
    pub(super) fn free(&mut self, request: RequestNumber) {
        let place = request.since(self.first);
        if let Some(asked) = self.asked.get_mut(place)
            && asked.life.is_none()
        {
            asked.life = u32::try_from(self.seen - place).ok();
        }
    }

    /// Whether enough was seen.
    pub(super) fn is_over(&self) -> bool {
        2 * TURNS * self.period <= self.seen
    }

    /// What was seen.
    pub(super) fn profile(&self) -> Profile {
        let outlives_a_turn =
            |asked: &Asked| asked.life.is_none_or(|life| self.period < life as usize);
        let is_one_turn = !self.asked[..self.period].iter().any(outlives_a_turn);
        let length = if is_one_turn { self.period } else { self.asked.len() };
        let mut asked = self.asked[..length].to_vec();
        let emptiest = (0..).zip(cycle(&asked).alive()).min_by_key(|&(_, alive)| alive);
        let begin = emptiest.map_or(0, |(place, _)| place);
        asked.rotate_left(begin);
        Profile {
            period: self.period,
            sizes: asked.iter().map(|asked| asked.size).collect(),
            cycle: cycle(&asked),
            place: (self.seen + length - begin) % length,
        }
    }
}

impl Profile {
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

    /// A profiler of requests that are freed so many requests after, which began after 7 others; the
    /// second turn may differ.
    fn profile_of(turns: [&[(u64, Option<u32>)]; 2]) -> Profile {
        let period = turns[0].len();
        let requests = turns.concat();
        let mut profiler = Profiler::new(period, RequestNumber::behind(7));
        profiler.free(RequestNumber::behind(3));
        for seen in 0.. {
            for (place, &(_, life)) in (0..).zip(&requests) {
                if life.is_some_and(|life| place + life == seen) {
                    profiler.free(RequestNumber::behind((7 + place) as usize));
                }
            }
            if profiler.is_over() {
                break;
            }
            profiler.ask(Bytes::new(requests[seen as usize % requests.len()].0));
        }
        assert_eq!(profiler.seen, 4 * period);
        profiler.profile()
    }

    fn span(born: u32, life: u32, size: u64) -> Span {
        Span { born, life, size: Bytes::new(size), at: None }
    }

    #[test]
    fn a_cycle_begins_where_the_fewest_bytes_are_alive() {
        let turn = [(5, Some(1)), (10, Some(4)), (20, Some(2)), (30, Some(2))];
        let profile = profile_of([&turn, &turn]);
        assert_eq!(profile.sizes, [10, 20, 30, 5].map(Bytes::new));
        let spans = [span(0, 4, 10), span(1, 2, 20), span(2, 2, 30), span(3, 1, 5)];
        assert_eq!(profile.cycle.spans(), spans);
        assert_eq!(profile.place, 3);
        assert_eq!((1..9).find_map(|ago| profile.alive_since(ago)), None);
    }

    #[test]
    fn two_turns_are_a_cycle_where_a_block_outlives_one() {
        let profile = profile_of([
            &[(5, Some(1)), (10, Some(4)), (20, None)],
            &[(5, Some(1)), (10, Some(4)), (20, Some(1))],
        ]);
        assert_eq!(profile.sizes, [5, 10, 20, 5, 10, 20].map(Bytes::new));
        // 20 was never freed in the first turn.
        let spans = [span(0, 1, 5), span(1, 4, 10), span(3, 1, 5), span(4, 4, 10), span(5, 1, 20)];
        assert_eq!(profile.cycle.spans(), spans);
        assert_eq!(profile.place, 0);
        let alive: Vec<_> = (1..9).map(|ago| profile.alive_since(ago)).collect();
        assert_eq!(alive, [None, Some(3), None, None, None, None, None, None], "the second 10");
    }
}
