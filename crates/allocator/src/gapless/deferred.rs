//! Blocks given back that other streams still use, and the events that they wait for.

use std::collections::{BTreeMap, VecDeque};

use gapless_device::EventId;
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::names::At;

/// An event of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    /// Its place in the order in which events were recorded, whoever has it out of the queue.
    number: u64,
    pub(super) event: EventId,
    /// The block that waits for it.
    pub(super) at: At,
}

/// What waits for other streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    pub(super) uses: FxHashMap<At, Vec<StreamId>>,
    /// For each stream its events in order.
    pub(super) queues: BTreeMap<StreamId, VecDeque<Queued>>,
    /// How many events were queued so far.
    recorded: u64,
    /// How many events each pending block waits for.
    pub(super) counts: BTreeMap<At, u32>,
    /// Pending blocks whose events are not recorded yet, because a graph was captured.
    pub(super) postponed: VecDeque<At>,
}

impl Deferred {
    pub(super) fn is_waiting(&self) -> bool {
        !self.queues.is_empty() || !self.postponed.is_empty()
    }

    pub(super) fn note_use(&mut self, at: At, stream: StreamId) {
        let uses = self.uses.entry(at).or_default();
        if !uses.contains(&stream) {
            uses.push(stream);
        }
    }

    /// A stream with events, and the first of them.
    pub(super) fn first(&self) -> Option<(StreamId, EventId)> {
        let mut firsts = self.queues.iter();
        firsts.find_map(|(&stream, queue)| Some((stream, queue.front()?.event)))
    }

    /// The last event of a stream.
    pub(super) fn last_of(&self, stream: StreamId) -> Option<EventId> {
        Some(self.queues.get(&stream)?.back()?.event)
    }

    /// How many events a block waits for.
    pub(super) fn count_of(&self, at: At) -> usize {
        self.counts.get(&at).map_or(0, |&count| count as usize)
    }

    /// Queues an event, recorded last of all.
    pub(super) fn push(&mut self, stream: StreamId, event: EventId, at: At) {
        self.recorded += 1;
        let number = self.recorded;
        *self.counts.entry(at).or_default() += 1;
        self.queues.entry(stream).or_default().push_back(Queued { number, event, at });
    }

    /// The events of a stream up to `until` with their blocks, out of its queue; none where that is
    /// not among them.
    pub(super) fn take_until(&mut self, stream: StreamId, until: EventId) -> VecDeque<Queued> {
        let Some(queue) = self.queues.get_mut(&stream) else { return VecDeque::new() };
        let Some(last) = queue.iter().position(|queued| queued.event == until) else {
            return VecDeque::new();
        };
        let behind = queue.split_off(last + 1);
        let taken = std::mem::replace(queue, behind);
        if queue.is_empty() {
            self.queues.remove(&stream);
        }
        taken
    }

    /// Puts events back that were taken, each in its place: others may have taken some meanwhile, and
    /// put them back.
    pub(super) fn put_back(&mut self, stream: StreamId, events: VecDeque<Queued>) {
        if !events.is_empty() {
            let queue = self.queues.entry(stream).or_default();
            queue.extend(events);
            queue.make_contiguous().sort_unstable_by_key(|queued| queued.number);
        }
    }

    /// How many events each pending block waits for.
    pub(super) fn counts(&self) -> impl Iterator<Item = (At, u32)> {
        self.counts.iter().map(|(&at, &count)| (at, count))
    }

    /// How many events are queued.
    pub(super) fn queued(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// The event that a stream reaches first.
    pub(super) fn first_of(&self, stream: StreamId) -> Option<Queued> {
        self.queues.get(&stream)?.front().copied()
    }

    /// Forgets the event that a stream reaches first.
    pub(super) fn pop_first(&mut self, stream: StreamId) {
        if let Some(queue) = self.queues.get_mut(&stream) {
            queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&stream);
            }
        }
    }

    /// Notes that a block waits for one event less; says whether that was the last.
    pub(super) fn is_last(&mut self, at: At) -> bool {
        let Some(count) = self.counts.get_mut(&at) else { return false };
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            self.counts.remove(&at);
        }
        is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two threads wait for the same stream, and both in vain.
    #[test]
    fn events_come_back_in_their_order() {
        let stream = StreamId(1);
        let mut deferred = Deferred::default();
        for event in 1..=8 {
            deferred.push(stream, EventId(event), At::default());
        }
        let first = deferred.take_until(stream, EventId(5));
        let second = deferred.take_until(stream, EventId(8));
        assert!(deferred.take_until(stream, EventId(7)).is_empty());
        deferred.put_back(stream, first);
        deferred.put_back(stream, second);
        let order: Vec<u64> = deferred.queues[&stream].iter().map(|it| it.event.0).collect();
        assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
