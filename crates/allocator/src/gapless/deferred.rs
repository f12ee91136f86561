//! Blocks given back that other streams still use, and the events that they wait for.

use std::collections::{BTreeMap, VecDeque};

use gapless_device::EventId;
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::names::At;

/// What waits for other streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    pub(super) uses: FxHashMap<At, Vec<StreamId>>,
    /// For each stream its events in order, with the block that waits for each.
    pub(super) queues: BTreeMap<StreamId, VecDeque<(EventId, At)>>,
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
        firsts.find_map(|(&stream, queue)| Some((stream, queue.front()?.0)))
    }

    /// The last event of a stream.
    pub(super) fn last_of(&self, stream: StreamId) -> Option<EventId> {
        Some(self.queues.get(&stream)?.back()?.0)
    }

    /// Whether a block waits for one event alone.
    pub(super) fn waits_once(&self, at: At) -> bool {
        self.counts.get(&at) == Some(&1)
    }

    /// The events of a stream up to `until` with their blocks, out of its queue; none where that is
    /// not among them.
    pub(super) fn take_until(
        &mut self,
        stream: StreamId,
        until: EventId,
    ) -> VecDeque<(EventId, At)> {
        let Some(queue) = self.queues.get_mut(&stream) else { return VecDeque::new() };
        let Some(last) = queue.iter().position(|&(event, _)| event == until) else {
            return VecDeque::new();
        };
        let behind = queue.split_off(last + 1);
        let taken = std::mem::replace(queue, behind);
        if queue.is_empty() {
            self.queues.remove(&stream);
        }
        taken
    }

    /// Puts events back that were taken, before those that came meanwhile.
    pub(super) fn put_back(&mut self, stream: StreamId, mut events: VecDeque<(EventId, At)>) {
        if !events.is_empty() {
            let queue = self.queues.entry(stream).or_default();
            events.append(queue);
            *queue = events;
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

    /// The event that a stream reaches first, and the block that waits for it.
    pub(super) fn first_of(&self, stream: StreamId) -> Option<(EventId, At)> {
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
