//! Programs that repeat themselves and do not come to rest by themselves: whether plans are made and
//! bring rest, and whether the allocator stays sound when programs leave them.

use gapless_device::{Faulty, Sim, SimSetup};
use gapless_units::{Bytes, KIB, MIB, PoolId, StreamId};

use crate::allocator::Allocator;
use crate::gapless::names::BlockId;
use crate::gapless::{GaplessAllocator, Slack};

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// A request of a turn: its size, and after how many requests its block is freed.
#[derive(Clone, Copy)]
struct Asked {
    size: Bytes,
    life: usize,
}

/// A turn of so many requests; some blocks live into the next turn, a few into the one after.
fn turn(numbers: &mut Numbers, length: usize) -> Vec<Asked> {
    let request = |_| {
        let size = match numbers.below(8) {
            0..3 => 1 + numbers.below(64 * KIB),
            3..5 => MIB + numbers.below(3 * MIB),
            5 | 6 => 2 * MIB * (1 + numbers.below(4)),
            _ => 1 + numbers.below(20 * MIB),
        };
        let longest = match numbers.below(20) {
            0 => 2 * length as u64,
            1..3 => length as u64,
            _ => 12,
        };
        let life = usize::try_from(1 + numbers.below(longest)).unwrap_or(1);
        Asked { size: Bytes::new(size), life }
    };
    (0..length).map(request).collect()
}

struct Run {
    allocator: GaplessAllocator<Faulty<Sim>>,
    /// What is held, with the number of the request before which it is freed.
    held: Vec<(usize, BlockId)>,
    requests: usize,
    /// How many requests had a plan.
    planned: usize,
    /// How many requests failed.
    failed: usize,
}

impl Run {
    fn new() -> Self {
        let device = Faulty::new(Sim::new(SimSetup::new(Bytes::gib(8))));
        let allocator = GaplessAllocator::new(device, Slack::NONE, ());
        Self { allocator, held: Vec::new(), requests: 0, planned: 0, failed: 0 }
    }

    fn ask(&mut self, asked: Asked) {
        self.free_until(self.requests);
        let arena = self.allocator.books.arenas.of(PoolId::DEFAULT, StreamId(0));
        let habit = &self.allocator.books.arenas[arena].habit;
        self.planned +=
            usize::from(habit.routine().is_some_and(|routine| routine.plan().is_some()));
        match self.allocator.allocate(asked.size, StreamId(0)) {
            Ok(block) => self.held.push((self.requests + asked.life, block)),
            Err(_) => self.failed += 1,
        }
        self.requests += 1;
    }

    /// Frees what is to be freed before the request of this number.
    fn free_until(&mut self, request: usize) {
        for (_, block) in self.held.extract_if(.., |&mut (end, _)| end <= request) {
            assert_eq!(self.allocator.free(block), Ok(()));
        }
    }

    fn maps(&self) -> u64 {
        self.allocator.device().device().calls().granules_mapped
    }

    /// Takes turns; says how many pages they mapped.
    fn take(&mut self, turns: usize, turn: &[Asked]) -> u64 {
        let before = self.maps();
        for _ in 0..turns {
            for &asked in turn {
                self.ask(asked);
            }
            assert_eq!(self.allocator.check_invariants(), Ok(()));
        }
        self.maps() - before
    }

    /// Takes turns until there is a plan.
    fn take_until_planned(&mut self, turn: &[Asked]) {
        let turns = (0..200).take_while(|_| {
            self.take(1, turn);
            self.planned == 0
        });
        assert!(turns.count() < 200, "no plan in 200 turns");
    }

    /// Frees everything and gives it back.
    fn end(mut self) {
        self.free_until(usize::MAX);
        assert_eq!(self.allocator.empty_cache(), Ok(()));
        assert_eq!(self.allocator.check_invariants(), Ok(()));
        assert_eq!(self.allocator.reserved(), Bytes::ZERO);
    }
}

#[test]
fn plans_bring_rest() {
    let mut numbers = Numbers(1);
    for _ in 0..12 {
        let turn = turn(&mut numbers, 150);
        let mut run = Run::new();
        let restless = run.take(12, &turn);
        assert!(12 < restless, "a tame program: {restless} pages");
        run.take_until_planned(&turn);
        run.take(6, &turn);
        assert_eq!(run.take(10, &turn), 0, "pages mapped with a plan");
        assert!(run.planned > 15 * turn.len(), "{} requests had a plan", run.planned);
        run.end();
    }
}

#[test]
fn who_leaves_a_plan_comes_back_to_it() {
    let mut numbers = Numbers(2);
    let usual = turn(&mut numbers, 150);
    let other = turn(&mut numbers, 70);
    let mut run = Run::new();
    run.take_until_planned(&usual);
    run.take(20, &usual);
    for _ in 0..3 {
        run.take(2, &other);
        run.take(20, &usual);
        let planned = run.planned;
        assert_eq!(run.take(4, &usual), 0, "pages mapped");
        assert_eq!(run.planned, planned + 4 * usual.len(), "the plan is followed");
        assert_eq!(run.allocator.trim(Bytes::ZERO), Ok(()));
    }
    run.end();
}

#[test]
fn what_comes_to_stay_is_planned_around() {
    let mut numbers = Numbers(2);
    let turn = turn(&mut numbers, 150);
    let mut run = Run::new();
    run.take_until_planned(&turn);
    run.take(20, &turn);
    let lasting = run.allocator.allocate(Bytes::mib(3), StreamId(0));
    assert!(run.take(4, &turn) != 0, "it is in the way");
    run.take(150, &turn);
    assert_eq!(run.take(4, &turn), 0, "pages mapped");
    assert!(lasting.is_ok_and(|block| run.allocator.free(block).is_ok()));
    run.end();
}

#[test]
fn a_plan_for_what_never_comes_again_is_dropped() {
    let mut numbers = Numbers(3);
    let mut run = Run::new();
    run.take_until_planned(&turn(&mut numbers, 150));
    for _ in 0..60 {
        run.take(1, &turn(&mut numbers, 150));
    }
    let planned = run.planned;
    run.take(3, &turn(&mut numbers, 150));
    assert_eq!(run.planned, planned);
    run.end();
}

#[test]
fn any_call_may_fail_where_a_plan_is_followed() {
    let mut failed = 0;
    for seed in 10..20 {
        let turn = turn(&mut Numbers(seed), 150);
        let mut run = Run::new();
        run.take_until_planned(&turn);
        // The turn before it is the last without a plan.
        let turns = run.requests / turn.len() - 1;
        let begin = || {
            let mut run = Run::new();
            run.take(turns, &turn);
            assert_eq!(run.planned, 0);
            run
        };
        let mut run = begin();
        let first = run.allocator.device().calls();
        run.take(4, &turn);
        for failing in first..run.allocator.device().calls() {
            let mut run = begin();
            run.allocator.device_mut().fail(failing + 1..failing + 2);
            run.take(4, &turn);
            assert_eq!(run.failed, 1, "requests failed");
            run.end();
            failed += 1;
        }
    }
    assert!(20 < failed, "{failed} calls failed");
}
