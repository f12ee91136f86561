//! How well a replay predicts: a recording under its own settings, every event compared.

use gapless_allocator::caching::TieBreak;
use gapless_allocator::{CachingAllocator, Happening, Observer, Rules};
use gapless_device::{Script, Sim, Step};
use gapless_trace::{Action, Event, Framework, Release, Settings, Trace};
use gapless_units::{Addr, Bytes, Extent};

use crate::ages::{Pairs, segment_at};
use crate::groups::{Group, groups};
use crate::program::{Operation, Program};
use crate::run::{Replay, ReplayError, Watcher};
use crate::setup::{OnFailure, Setup};
use crate::start::{Start, reservations};

/// How much of a recording its replay gave back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fidelity {
    /// Events compared: allocations, frees, failures and what the device gave and got back.
    pub events: usize,
    /// How many of them the replay gave back, address and size alike.
    pub equal: usize,
    /// Allocations among the events.
    pub allocs: usize,
    /// Allocations that got the recorded address.
    pub allocs_equal: usize,
    /// Segments taken and given back, ranges mapped and unmapped.
    pub segment_events: usize,
    /// How many of them the replay gave back.
    pub segment_events_equal: usize,
    /// Where the replay first departs.
    pub first_difference: Option<Difference>,
}

impl Fidelity {
    /// Whether the replay gave everything back.
    pub fn is_exact(&self) -> bool {
        self.equal == self.events
    }

    /// The share of events given back, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.equal as f64 / self.events as f64 }
    }
}

/// Where a replay departs from its recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The event of the recording.
    pub event: usize,
    /// What was recorded.
    pub recorded: Sight,
    /// What the replay did instead; nothing where it did nothing.
    pub replayed: Option<Sight>,
    /// What that means, in words.
    pub explanation: String,
}

/// What can be compared of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What happened.
    pub action: Action,
    /// Where.
    pub addr: Addr,
    /// The size.
    pub size: Bytes,
}

/// A recording replayed under its own settings.
#[derive(Clone, Debug)]
pub struct Check {
    /// The release whose rules were followed.
    pub release: Release,
    /// How well that went.
    pub fidelity: Fidelity,
    /// The state before the first event, with the ages of its segments as far as they show.
    pub start: Start,
}

impl Check {
    /// Replays a placed trace under `settings` by the rules of the release that gives most of it
    /// back, among those that may have made it; the newest of equals.
    pub fn of(
        trace: &Trace,
        program: &Program,
        settings: &Settings,
        framework: Option<&Framework>,
    ) -> Result<Self, ReplayError> {
        let mut best: Option<Self> = None;
        for release in releases_of(framework) {
            let check = Self::by(trace, program, settings, release)?;
            let better =
                best.as_ref().is_none_or(|best| best.fidelity.equal < check.fidelity.equal);
            if better {
                best = Some(check);
            }
            if best.as_ref().is_some_and(|best| best.fidelity.is_exact()) {
                break;
            }
        }
        best.map_or_else(|| Self::by(trace, program, settings, Rules::NEWEST), Ok)
    }

    /// Replays a placed trace under `settings` by the rules of `release`.
    pub fn by(
        trace: &Trace,
        program: &Program,
        settings: &Settings,
        release: Release,
    ) -> Result<Self, ReplayError> {
        let setup = Setup { release, on_failure: OnFailure::Skip, ..Setup::new(settings.clone()) };
        let mut start = Start::of(trace);
        if Rules::new(settings, release).tie_break == TieBreak::OldestSegment {
            let pairs = Follower::new(trace, program, &start, &setup)?.pairs();
            if !pairs.is_empty() {
                start.put_in_order(&pairs.order(start.segments.len()));
            }
        }
        let fidelity = Follower::new(trace, program, &start, &setup)?.compare();
        Ok(Self { release, fidelity, start })
    }
}

/// One release of each kind of rules that may have made a recording, the newest first.
fn releases_of(framework: Option<&Framework>) -> Vec<Release> {
    const KINDS: [(Release, Release); 3] = [
        (Release::new(2, 13), Rules::NEWEST),
        (Release::new(2, 9), Release::new(2, 12)),
        (Release::new(1, 0), Release::new(2, 8)),
    ];
    let first = framework.and_then(|framework| framework.first).unwrap_or(Release::new(1, 0));
    let last = framework.and_then(|framework| framework.last).unwrap_or(Rules::NEWEST);
    let may_be = KINDS.iter().filter(|(from, to)| first <= *to && *from <= last);
    may_be.map(|&(_, to)| to.min(last.max(first))).collect()
}

/// Notes what the allocator does during one call.
#[derive(Debug, Default)]
struct Witness(Vec<Sight>);

impl Observer for Witness {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, .. } = happening;
        self.0.push(Sight::new(action, addr, size));
    }
}

impl Watcher for Witness {
    fn next_operation(&mut self, _: &Program, _: usize) {}
}

impl Sight {
    /// The free bytes of the device, which stand in a failure's address, cannot be compared.
    fn new(action: Action, addr: Addr, size: Bytes) -> Self {
        let addr = if action == Action::OutOfMemory { Addr::default() } else { addr };
        Self { action, addr, size }
    }

    fn of(event: &Event) -> Option<Self> {
        let compared = matches!(
            event.action,
            Action::Alloc
                | Action::FreeRequested
                | Action::FreeCompleted
                | Action::OutOfMemory
                | Action::SegmentAlloc
                | Action::SegmentFree
                | Action::SegmentMap
                | Action::SegmentUnmap
        );
        compared.then(|| Self::new(event.action, event.addr, event.size))
    }

    fn is_of_segment(&self) -> bool {
        matches!(
            self.action,
            Action::SegmentAlloc | Action::SegmentFree | Action::SegmentMap | Action::SegmentUnmap
        )
    }
}

/// A replay along a recording: the device gives and refuses as it did, at the addresses it gave.
struct Follower<'t> {
    trace: &'t Trace,
    replay: Replay<'t, CachingAllocator<Sim, Witness>>,
    start: &'t Start,
    reservations: Vec<Extent>,
    /// Halves of frees that the recorder left out everywhere.
    left_out: Vec<Action>,
    groups: Vec<Group>,
    next: usize,
}

impl<'t> Follower<'t> {
    fn new(
        trace: &'t Trace,
        program: &'t Program,
        start: &'t Start,
        setup: &Setup,
    ) -> Result<Self, ReplayError> {
        let mut replay = Replay::from_start(program, start, setup, Witness::default())?;
        replay.allocator.observer_mut().0.clear();
        let reservations = reservations(trace).into_values().flatten().collect();
        let left_out = [Action::FreeRequested, Action::FreeCompleted];
        let left_out = left_out.into_iter().filter(|a| !trace.events.actions().contains(a));
        let left_out = left_out.collect();
        Ok(Self { trace, replay, start, reservations, left_out, groups: groups(trace), next: 0 })
    }

    /// The operations of a group.
    fn operations_of(&mut self, group: &Group) -> std::ops::Range<usize> {
        let events = &self.replay.program.events;
        let first = self.next;
        while events.get(self.next).is_some_and(|&event| group.events.contains(&(event as usize))) {
            self.next += 1;
        }
        first..self.next
    }

    /// Lets the device do what it did during a group.
    fn direct(&mut self, group: &Group) {
        let mut steps = Vec::new();
        let mut segments = Vec::new();
        let mut reserved = Vec::new();
        let mut refuses_then = false;
        for index in group.events.clone() {
            let event = self.trace.events.get(index);
            match event.action {
                Action::SegmentAlloc => {
                    steps.push(Step::Gives(event.size));
                    segments.extend(Extent::new(event.addr, event.size).ok());
                }
                Action::SegmentMap => {
                    steps.push(Step::Gives(event.size));
                    let holds =
                        |range: &&Extent| range.start() <= event.addr && event.addr < range.end();
                    let range = self.reservations.iter().find(holds);
                    let device = self.replay.allocator.device();
                    reserved.extend(range.filter(|_| !device.is_reserved(event.addr)));
                }
                Action::SegmentFree | Action::SegmentUnmap => steps.push(Step::Takes(event.size)),
                Action::OutOfMemory => refuses_then = true,
                Action::Alloc
                | Action::FreeRequested
                | Action::FreeCompleted
                | Action::Snapshot
                | Action::Annotate
                | Action::RecordStream
                | Action::EmptyCache
                | Action::Synchronize
                | Action::Unknown => {}
            }
        }
        let device = self.replay.allocator.device_mut();
        device.allocate_next_at(segments);
        device.reserve_next_at(reserved);
        device.follow(Some(Script::new(steps, refuses_then)));
    }

    /// Compares every call's events with those recorded.
    fn compare(mut self) -> Fidelity {
        let mut fidelity = Fidelity::default();
        let mut stuck = false;
        for group in std::mem::take(&mut self.groups) {
            self.direct(&group);
            for operation in self.operations_of(&group) {
                // Where the replay cannot go on, no event behind is equal.
                stuck = stuck || self.replay.step(operation).is_err();
            }
            let mut seen = std::mem::take(&mut self.replay.allocator.observer_mut().0);
            self.score(&group, &seen, &mut fidelity);
            seen.clear();
            self.replay.allocator.observer_mut().0 = seen;
        }
        fidelity
    }

    fn score(&self, group: &Group, seen: &[Sight], fidelity: &mut Fidelity) {
        let mut seen_next = seen.iter().filter(|sight| !self.left_out.contains(&sight.action));
        for index in group.events.clone() {
            let Some(recorded) = Sight::of(&self.trace.events.get(index)) else { continue };
            let replayed = seen_next.next().copied();
            let equal = replayed == Some(recorded);
            fidelity.events += 1;
            fidelity.equal += usize::from(equal);
            if recorded.action == Action::Alloc {
                fidelity.allocs += 1;
                fidelity.allocs_equal += usize::from(equal);
            }
            if recorded.is_of_segment() {
                fidelity.segment_events += 1;
                fidelity.segment_events_equal += usize::from(equal);
            }
            if !equal && fidelity.first_difference.is_none() {
                let explanation = explain(recorded, replayed);
                let event = index;
                fidelity.first_difference =
                    Some(Difference { event, recorded, replayed, explanation });
            }
        }
    }

    /// Follows the recording wherever it went, and collects whose segments were preferred.
    fn pairs(mut self) -> Pairs {
        let mut pairs = Pairs::default();
        for group in std::mem::take(&mut self.groups) {
            self.direct(&group);
            for operation in self.operations_of(&group) {
                if !self.follow(operation, &mut pairs) && self.replay.step(operation).is_err() {
                    return pairs;
                }
            }
            self.replay.allocator.observer_mut().0.clear();
        }
        pairs
    }

    /// Makes a recorded choice between equals, where the operation is one. Whether it was.
    fn follow(&mut self, operation: usize, pairs: &mut Pairs) -> bool {
        let Operation::Allocate(id) = self.replay.program.operations[operation] else {
            return false;
        };
        let request = self.replay.program.requests[id.index()];
        let event = self.replay.program.events[operation] as usize;
        let addr = self.trace.events.get(event).addr;
        let allocator = &mut self.replay.allocator;
        let candidates = allocator.candidates(request.pool, request.size, request.stream);
        if candidates.contains(&addr) && 1 < candidates.len() && !pairs.is_full() {
            let place = |&addr: &Addr| segment_at(&self.start.segments, addr);
            if let Some(chosen) = place(&addr) {
                pairs.prefer(chosen, candidates.iter().filter_map(place));
            }
        }
        if candidates.first().is_none_or(|&first| first == addr) {
            return false;
        }
        let block = allocator.allocate_at(addr, request.pool, request.size, request.stream);
        self.replay.blocks[id.index()] = block;
        block.is_some()
    }
}

/// What a difference means.
fn explain(recorded: Sight, replayed: Option<Sight>) -> String {
    let Some(replayed) = replayed else {
        return "the recording has an event here that its settings do not lead to: the program \
                changed settings or released memory in a way that leaves no trace"
            .to_owned();
    };
    match (recorded.action, replayed.action) {
        (Action::Alloc, Action::Alloc) if recorded.size == replayed.size => format!(
            "the request went to {} and by the rules to {}: a free block was larger or smaller, or \
             its segment older, than the recording lets know",
            recorded.addr, replayed.addr
        ),
        (Action::Alloc, Action::SegmentAlloc | Action::SegmentMap) => {
            "the request was served from the cache and by the rules needs the device: something \
             was free that the recording does not show"
                .to_owned()
        }
        (Action::SegmentAlloc | Action::SegmentMap, Action::Alloc) => {
            "the device was asked although by the rules a free block serves: the settings were \
             others then, or the block was not free"
                .to_owned()
        }
        (Action::SegmentFree | Action::SegmentUnmap, _) => {
            "memory went back to the device that by the rules stays: a private pool ended, or the \
             cache was collected by a rule the recording does not show"
                .to_owned()
        }
        _ => "the replay does something else here; events before it are equal".to_owned(),
    }
}
