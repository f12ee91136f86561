//! Blocks given back that other streams still use, and the events that they wait for.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use gapless_device::EventId;
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::names::BlockIndex;

/// An event of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    /// Its place in the order in which events were recorded.
    pub(super) number: u64,
    pub(super) event: EventId,
    /// The block that waits for it.
    pub(super) at: BlockIndex,
}

/// An event that somebody waits for with the books out of hand.
#[derive(Clone, Copy, Debug, Default)]
struct Wait {
    waiters: u32,
    /// Whether it left its queue meanwhile: the last who waits for it drops it.
    has_passed: bool,
}

/// What waits for other streams.
///
/// Events stay in their queues while somebody waits for one of them: the others may wait for it as well,
/// and whoever finds first that it is complete frees the blocks.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    pub(super) uses: FxHashMap<BlockIndex, Vec<StreamId>>,
    /// For each stream its events in order.
    pub(super) queues: BTreeMap<StreamId, VecDeque<Queued>>,
    /// How many events were queued so far.
    recorded: u64,
    /// How many events each pending block waits for.
    counts: BTreeMap<BlockIndex, u32>,
    /// Pending blocks whose events are not recorded yet, because a graph was captured.
    pub(super) postponed: VecDeque<BlockIndex>,
    waits: FxHashMap<EventId, Wait>,
    /// Events that nobody needs any more, and the device knows still.
    spent: Vec<EventId>,
}

impl Deferred {
    pub(super) fn is_waiting(&self) -> bool {
        !self.queues.is_empty() || !self.postponed.is_empty() || !self.spent.is_empty()
    }

    pub(super) fn note_use(&mut self, at: BlockIndex, stream: StreamId) {
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
    pub(super) fn count_of(&self, at: BlockIndex) -> usize {
        self.counts.get(&at).map_or(0, |&count| count as usize)
    }

    /// Queues an event, recorded last of all.
    pub(super) fn push(&mut self, stream: StreamId, event: EventId, at: BlockIndex) {
        self.recorded += 1;
        let number = self.recorded;
        *self.counts.entry(at).or_default() += 1;
        self.queues.entry(stream).or_default().push_back(Queued { number, event, at });
    }

    /// Notes that somebody waits for an event of a stream; its number, or none where it is not queued.
    pub(super) fn begin_wait(&mut self, stream: StreamId, event: EventId) -> Option<u64> {
        let mut queue = self.queues.get(&stream)?.iter();
        let number = queue.find(|queued| queued.event == event)?.number;
        self.waits.entry(event).or_default().waiters += 1;
        Some(number)
    }

    /// Notes that somebody waits for an event no longer.
    pub(super) fn end_wait(&mut self, event: EventId) {
        let Entry::Occupied(mut wait) = self.waits.entry(event) else { return };
        wait.get_mut().waiters -= 1;
        if wait.get().waiters == 0 && wait.remove().has_passed {
            self.spent.push(event);
        }
    }

    /// An event that the device may forget.
    pub(super) fn spent(&self) -> Option<EventId> {
        self.spent.last().copied()
    }

    /// Takes in that the device forgot that event.
    pub(super) fn forget_spent(&mut self) {
        self.spent.pop();
    }

    /// How many events each pending block waits for.
    pub(super) fn counts(&self) -> impl Iterator<Item = (BlockIndex, u32)> {
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

    /// Takes in that a stream reached its first event. The event is spent, unless somebody waits for it.
    pub(super) fn pass_first(&mut self, stream: StreamId) -> Option<Queued> {
        let queue = self.queues.get_mut(&stream)?;
        let first = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&stream);
        }
        match self.waits.get_mut(&first.event) {
            Some(wait) => wait.has_passed = true,
            None => self.spent.push(first.event),
        }
        Some(first)
    }

    /// Takes back the events of a block, the last that were recorded; answers their streams.
    pub(super) fn take_back(&mut self, at: BlockIndex) -> Vec<StreamId> {
        let mut streams = Vec::new();
        for (&stream, queue) in &mut self.queues {
            // Only the last of a queue can be one of them.
            if let Some(queued) = queue.pop_back_if(|queued| queued.at == at) {
                self.spent.push(queued.event);
                streams.push(stream);
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.counts.remove(&at);
        streams
    }

    /// Notes that a block waits for one event less; says whether that was the last.
    pub(super) fn pass_one(&mut self, at: BlockIndex) -> bool {
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

    /// Two wait for an event that somebody else finds complete.
    #[test]
    fn the_last_who_waits_for_an_event_drops_it() {
        let stream = StreamId(1);
        let mut deferred = Deferred::default();
        for event in 1..=3 {
            deferred.push(stream, EventId(event), BlockIndex::default());
        }
        let waits = [2, 2].map(|event| deferred.begin_wait(stream, EventId(event)));
        assert_eq!(waits, [Some(2), Some(2)]);
        assert_eq!(deferred.begin_wait(stream, EventId(7)), None);
        for (event, spent) in [(1, Some(EventId(1))), (2, None)] {
            let passed = deferred.pass_first(stream).map(|queued| queued.event);
            assert_eq!((passed, deferred.spent()), (Some(EventId(event)), spent));
            deferred.forget_spent();
        }
        deferred.end_wait(EventId(2));
        assert_eq!(deferred.spent(), None);
        deferred.end_wait(EventId(2));
        assert_eq!(deferred.spent(), Some(EventId(2)));
        // The device has it still.
        deferred.pass_first(stream);
        assert!(deferred.is_waiting());
    }
}
