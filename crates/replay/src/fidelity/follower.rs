//! A replay along a recording.

use gapless_allocator::CachingAllocator;
use gapless_device::{Script, Sim, Step};
use gapless_trace::{Action, Trace};
use gapless_units::{Addr, Extent};

use super::Fidelity;
use super::difference::Difference;
use super::sight::{Sight, Witness};
use crate::ages::{Pairs, segment_at};
use crate::groups::{Group, groups};
use crate::program::{Operation, Program};
use crate::run::{Replay, ReplayError};
use crate::setup::Setup;
use crate::start::{Start, reservations};

/// A replay along a recording: the device gives and refuses as it did, at the addresses it gave.
pub(super) struct Follower<'t> {
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
    pub(super) fn new(
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
    pub(super) fn compare(mut self) -> Fidelity {
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
                fidelity.first_difference = Some(Difference::new(index, recorded, replayed));
            }
        }
    }

    /// Follows the recording wherever it went, and collects whose segments were preferred.
    pub(super) fn pairs(mut self) -> Pairs {
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
