//! Programs that repeat themselves and do not come to rest by themselves: whether plans are made and
//! bring rest, and whether the allocator stays sound when programs leave them.

use gapless_device::{Completion, Faulty, Sim, SimSetup};
use gapless_units::{Bytes, Extent, PoolId, StreamId};

use crate::allocator::Allocator;
use crate::gapless::names::BlockId;
use crate::gapless::planned::Planned;
use crate::gapless::planner::{Plan, Planner, Schedule};
use crate::gapless::request::rounded;
use crate::gapless::turns::{Asked, Numbers, turn};
use crate::gapless::{GaplessAllocator, Slack};

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
        Self::on(SimSetup::new(Bytes::gib(8)))
    }

    fn on(setup: SimSetup) -> Self {
        let device = Faulty::new(Sim::new(setup));
        let allocator = GaplessAllocator::new(device, Slack::NONE, ());
        Self { allocator, held: Vec::new(), requests: 0, planned: 0, failed: 0 }
    }

    /// What is known of the program.
    fn planner(&mut self) -> &Planner {
        let arena = self.allocator.books.arenas.of(PoolId::DEFAULT, StreamId(0));
        &self.allocator.books.arenas[arena].planner
    }

    fn ask(&mut self, asked: Asked) {
        self.free_until(self.requests);
        let schedule = self.planner().schedule();
        self.planned += usize::from(schedule.is_some_and(|schedule| schedule.plan().is_some()));
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
            // What the device still has to do, where it lags, is of this turn.
            self.allocator.device_mut().device_mut().finish_all_work();
            for &asked in turn {
                self.ask(asked);
            }
            assert_eq!(self.allocator.check_invariants(), Ok(()));
        }
        self.maps() - before
    }

    /// Takes turns until there is a plan.
    fn take_until_planned(&mut self, turn: &[Asked]) {
        assert!(self.is_planned(turn), "no plan in 200 turns");
    }

    /// The same; says whether there is one in the end.
    fn is_planned(&mut self, turn: &[Asked]) -> bool {
        (0..200).any(|_| {
            self.take(1, turn);
            0 < self.planned
        })
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

/// A device that is a turn behind keeps requests from addresses that its work still uses: each wait
/// for it lets a plan come into its places.
#[test]
fn plans_bring_rest_where_the_device_lags_behind() {
    let (mut all_waits, mut planned) = (0, 0);
    for seed in 1..12 {
        let turn = turn(&mut Numbers(seed), 150);
        let completion = Completion::WhenTold;
        let mut run = Run::on(SimSetup { completion, ..SimSetup::new(Bytes::gib(8)) });
        if !run.is_planned(&turn) {
            // Some come to rest without.
            assert!(run.take(20, &turn) < 20, "no plan for {seed}");
            run.end();
            continue;
        }
        planned += 1;
        run.take(6, &turn);
        let waits = run.allocator.stalls();
        assert_eq!(run.take(10, &turn), 0, "pages mapped with a plan for {seed}");
        assert_eq!(run.allocator.stalls(), waits, "waits with a plan for {seed}");
        all_waits += waits;
        run.end();
    }
    assert!(8 < planned && 5 < all_waits, "{planned} plans, {all_waits} waits");
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
fn a_plan_is_followed_for_as_long_as_it_serves() {
    let turn = turn(&mut Numbers(2), 150);
    let mut run = Run::new();
    run.take_until_planned(&turn);
    run.take(6, &turn);
    let planned = run.planned;
    // More requests than are watched where nothing is found.
    assert_eq!(run.take(900, &turn), 0, "pages mapped");
    assert_eq!(run.planned, planned + 900 * turn.len(), "the plan is followed");
    run.end();
}

#[test]
fn who_finds_its_place_taken_takes_no_other() {
    let usual = turn(&mut Numbers(2), 150);
    let mut run = Run::new();
    run.take_until_planned(&usual);
    run.take(20, &usual);
    run.allocator.set_slack(Slack { share: 0.0, least: Bytes::mib(256) });
    // For a turn each tenth block is freed later than usual, when its place is another's.
    let late = usual.iter().enumerate().map(|(at, &asked)| Asked {
        life: asked.life + if at % 10 == 0 { 30 } else { 0 },
        ..asked
    });
    let mut behind = 0;
    for asked in late {
        let schedule = run.planner().schedule();
        let place = schedule.and_then(|schedule| schedule.place(rounded(asked.size))).unwrap();
        let end = schedule.and_then(Schedule::plan).map(Plan::end).unwrap();
        run.ask(asked);
        let extent = run.held.last().and_then(|&(_, block)| run.allocator.extent(block)).unwrap();
        assert!(extent == place.part || end <= extent.start(), "{extent:?} is another's");
        behind += u32::from(end <= extent.start());
    }
    assert!(0 < behind, "no place was taken");
    run.take(2, &usual);
    assert_eq!(run.take(4, &usual), 0, "pages mapped");
    run.end();
}

#[test]
fn a_place_has_no_pages_to_give_to_itself() {
    let mut run = Run::new();
    let block = run.allocator.allocate(Bytes::mib(10), StreamId(0)).unwrap();
    let start = run.allocator.extent(block).unwrap().start();
    assert_eq!(run.allocator.free(block), Ok(()));
    let books = &mut run.allocator.books;
    books.clear_front();
    let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
    let mut short = |size| {
        let part = Extent::between(start, start + size);
        let place = books.place_at(arena, Planned { part, gap: size }).unwrap();
        books.pages_short(arena, place)
    };
    assert_eq!(short(Bytes::mib(10)), 0);
    assert_eq!(short(Bytes::mib(14)), 2, "none of the missing pages lies elsewhere");
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
    assert!(run.planner().schedule().is_some());
    // It may be astray for 16 cycles, of two turns here.
    for _ in 0..40 {
        run.take(1, &turn(&mut numbers, 150));
    }
    assert!(run.planner().schedule().is_none());
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
