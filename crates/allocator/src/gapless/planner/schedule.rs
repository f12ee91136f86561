//! What a program does again and again, and where its requests go when it does.
//!
//! A plan is a hint. Whether a place is free is looked up each time, and a request that has none
//! goes where it would go without a plan. When the program leaves its schedule, nothing has to be
//! undone: what the plan gave are blocks like all others. The plan is dropped then, because other
//! things lie elsewhere afterwards; when the program is back, which is told by an anchor that comes at
//! one place of the schedule only, and has gone through a cycle, a new one is made.

use gapless_plan::Packing;
use gapless_units::{Addr, Bytes};
use rustc_hash::FxHashMap;

use super::period::{Fingerprint, mixed};
use super::plan::{Plan, Planned, Verdict};
use super::profiler::Profile;

/// How many plans are tried: each that was left or brought no rest counts as one, and each cycle in
/// which none fits. One that serves makes up for another.
const TRIES: usize = 16;

/// Making a plan takes time with the square of the requests at the worst, so long cycles have fewer
/// tries, this divided by the square: one with more than 8,000 requests has one.
const TRIED_SQUARES: usize = 1 << 27;

/// For so many cycles longer than in its schedule a program may be astray.
const ASTRAY: usize = 16;

/// A schedule, and the plan for it if there is one.
#[derive(Debug)]
pub(in crate::gapless) struct Schedule {
    profile: Profile,
    /// The place in the cycle behind each anchor, unless there are several.
    anchors: FxHashMap<Fingerprint, Option<usize>>,
    /// The place of the next request; none where the program is astray.
    next: Option<usize>,
    /// How many requests in a row were those of the schedule.
    in_a_row: usize,
    /// How many requests more were none of the schedule than were.
    astray: usize,
    plan: Option<Plan>,
    /// Whether a plan was tried for the next request.
    has_tried: bool,
    /// How many more plans are tried.
    tries: usize,
}

impl Schedule {
    /// The schedule of a profile, without a plan as yet.
    pub(super) fn new(profile: Profile) -> Self {
        let mut schedule = Self {
            anchors: anchors(&profile.sizes, profile.period),
            next: Some(profile.place),
            in_a_row: profile.sizes.len(),
            astray: 0,
            plan: None,
            has_tried: false,
            tries: 0,
            profile,
        };
        schedule.tries = schedule.most_tries();
        schedule
    }

    fn length(&self) -> usize {
        self.profile.sizes.len()
    }

    fn most_tries(&self) -> usize {
        (TRIED_SQUARES / self.length().pow(2)).clamp(1, TRIES)
    }

    /// Whether the program has been in its schedule for a cycle.
    pub(super) fn is_kept(&self) -> bool {
        self.length() <= self.in_a_row
    }

    /// Whether the next request is the first of a cycle, and a plan is to be made.
    pub(super) fn is_due(&self) -> bool {
        self.plan.is_none() && !self.has_tried && self.next == Some(0) && self.is_kept()
    }

    /// What was profiled, where a plan is to be made for a request of this size.
    pub(in crate::gapless) fn due(&self, size: Bytes) -> Option<&Profile> {
        (self.is_due() && self.profile.sizes[0] == size).then_some(&self.profile)
    }

    /// The plan that is followed.
    pub(in crate::gapless) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Where a request of this size goes that comes next.
    pub(in crate::gapless) fn place(&self, size: Bytes) -> Option<Planned> {
        let next = self.next.filter(|&next| self.profile.sizes[next] == size)?;
        self.plan()?.place(next)
    }

    /// Takes in how large the free block is that the next request goes to.
    pub(super) fn note_gap(&mut self, gap: Bytes) {
        if let (Some(next), Some(plan)) = (self.next, &mut self.plan) {
            plan.note_gap(next, gap);
        }
    }

    /// Takes the packing that was made, behind an address; none where none fits now.
    pub(super) fn take_plan(&mut self, packing: Option<(Packing, Addr)>) {
        self.has_tried = true;
        let cycle = &self.profile.cycle;
        self.plan = packing.map(|(packing, first)| Plan::new(cycle, &packing, first));
        if self.plan.is_none() {
            self.tries = self.tries.saturating_sub(1);
        }
    }

    fn drop_plan(&mut self) {
        if self.plan.take().is_some() {
            self.tries = self.tries.saturating_sub(1);
        }
    }

    /// Takes in that pages are mapped for the next request.
    pub(super) fn map(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.map();
        }
    }

    /// Goes on to the next request. Says whether it is worth to go on like this.
    pub(super) fn follow(&mut self, size: Bytes, anchor: Option<Fingerprint>) -> bool {
        self.has_tried = false;
        let place = self.next.filter(|&place| self.profile.sizes[place] == size);
        if let Some(place) = place {
            self.in_a_row += 1;
            self.astray = self.astray.saturating_sub(1);
            let behind = place + 1;
            if behind == self.length() {
                self.end_cycle();
            }
            self.next = Some(if behind == self.length() { 0 } else { behind });
        } else {
            self.drop_plan();
            self.in_a_row = 0;
            self.astray += 1;
            self.next = anchor.and_then(|anchor| *self.anchors.get(&anchor)?);
        }
        0 < self.tries && self.astray <= ASTRAY * self.length()
    }

    fn end_cycle(&mut self) {
        match self.plan.as_mut().map(Plan::end_cycle) {
            Some(Verdict::Fails) => self.drop_plan(),
            Some(Verdict::Serves) => self.tries = (self.tries + 1).min(self.most_tries()),
            Some(Verdict::Open) | None => {}
        }
    }
}

/// The place behind each request at which the last sizes are an anchor, unless several are alike. In
/// a cycle of two turns it is the one in the first.
fn anchors(sizes: &[Bytes], period: usize) -> FxHashMap<Fingerprint, Option<usize>> {
    let mut anchors = FxHashMap::default();
    let mut fingerprint = Fingerprint::default();
    // Turns before, for what the first fingerprints depend on.
    let before = Fingerprint::SIZES.next_multiple_of(period);
    let turns = sizes[..period].iter().cycle().take(before + period);
    for (place, &size) in turns.enumerate() {
        fingerprint = fingerprint.and(mixed(size));
        if before <= place && fingerprint.is_anchor() {
            let behind = Some((place + 1) % period);
            let known = anchors.entry(fingerprint).or_insert(behind);
            if *known != behind {
                *known = None;
            }
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use gapless_plan::Room;
    use gapless_units::Extent;

    use super::*;
    use crate::gapless::names::RequestNumber;
    use crate::gapless::planner::profiler::Profiler;

    const PERIOD: usize = 60;

    /// The size of the request at a place.
    fn size(place: usize) -> Bytes {
        Bytes::new(512 * (1 + place as u64))
    }

    /// A schedule of blocks that are freed at once.
    fn schedule() -> Schedule {
        let mut profiler = Profiler::new(PERIOD, RequestNumber::behind(0));
        while !profiler.is_over() {
            for place in 0..PERIOD {
                profiler.ask(size(place));
                profiler.free(RequestNumber::behind(place));
            }
        }
        Schedule::new(profiler.profile())
    }

    /// Plans a schedule behind address 1000.
    fn plan(schedule: &mut Schedule) {
        let packing = schedule
            .due(size(0))
            .and_then(|profile| Packing::within(Room::ENDLESS, &profile.cycle, usize::MAX).next());
        assert!(packing.is_some(), "a plan is due");
        schedule.take_plan(packing.map(|packing| (packing, Addr::new(1000))));
    }

    #[test]
    fn each_request_has_a_place() {
        let mut schedule = schedule();
        plan(&mut schedule);
        for place in (0..PERIOD).chain(0..PERIOD) {
            assert_eq!(schedule.place(size(place + 1)), None, "of another size");
            let start = Addr::new(1000);
            let there = Extent::between(start, start + size(place));
            assert_eq!(schedule.place(size(place)).map(|planned| planned.part), Some(there));
            assert!(schedule.follow(size(place), None));
        }
    }

    #[test]
    fn the_gap_of_a_place_is_kept_in_mind() {
        let mut schedule = schedule();
        plan(&mut schedule);
        let gap = |place: usize| Bytes::mib(place as u64);
        for place in 0..PERIOD {
            schedule.note_gap(gap(place));
            assert!(schedule.follow(size(place), None));
        }
        for place in 0..PERIOD {
            assert_eq!(schedule.place(size(place)).map(|planned| planned.gap), Some(gap(place)));
            assert!(schedule.follow(size(place), None));
        }
    }

    #[test]
    fn who_left_comes_back_at_an_anchor_and_has_a_plan_again() {
        let mut schedule = schedule();
        plan(&mut schedule);
        let mut fingerprint = Fingerprint::default();
        let mut ask = |schedule: &mut Schedule, size| {
            fingerprint = fingerprint.and(mixed(size));
            assert!(schedule.follow(size, fingerprint.is_anchor().then_some(fingerprint)));
        };
        (0..40).for_each(|place| ask(&mut schedule, size(place)));
        assert!(schedule.plan().is_some());
        ask(&mut schedule, Bytes::new(5));
        let mut turns = 0;
        while !schedule.is_due() {
            assert!(schedule.plan().is_none());
            (0..PERIOD).for_each(|place| ask(&mut schedule, size(place)));
            turns += 1;
        }
        assert_eq!(turns, 2, "found in the first, all of the second");
    }

    #[test]
    fn no_plan_is_made_twice_for_one_request() {
        let mut schedule = schedule();
        assert!(schedule.due(size(0)).is_some() && schedule.due(size(1)).is_none());
        schedule.take_plan(None);
        assert!(!schedule.is_due(), "none fitted");
        (0..PERIOD).for_each(|place| assert!(schedule.follow(size(place), None)));
        assert!(schedule.is_due(), "another cycle");
    }

    #[test]
    fn a_plan_that_brings_no_rest_is_made_anew_and_in_the_end_given_up() {
        let mut schedule = schedule();
        let mut plans = 0;
        loop {
            if schedule.is_due() {
                plan(&mut schedule);
                plans += 1;
            }
            schedule.map();
            if !(0..PERIOD).all(|place| schedule.follow(size(place), None)) {
                break;
            }
        }
        assert_eq!(plans, TRIES);
    }
}
