//! Work that is not yet done: blocks that other streams still use, and how far each stream is.

use std::collections::{BTreeMap, VecDeque};

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::GaplessAllocator;
use super::block::State;
use super::names::{ArenaIndex, At};
use crate::observer::Observer;

/// What waits for other streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    uses: FxHashMap<At, Vec<StreamId>>,
    /// For each stream its events in order, with the block that waits for each.
    queues: BTreeMap<StreamId, VecDeque<(EventId, At)>>,
}

impl Deferred {
    pub(super) fn is_waiting(&self) -> bool {
        !self.queues.is_empty()
    }

    pub(super) fn note_use(&mut self, at: At, stream: StreamId) {
        let uses = self.uses.entry(at).or_default();
        if !uses.contains(&stream) {
            uses.push(stream);
        }
    }

    /// The block that waits first on each stream.
    pub(super) fn heads(&self) -> impl Iterator<Item = (StreamId, At)> {
        self.queues.iter().filter_map(|(&stream, queue)| Some((stream, queue.front()?.1)))
    }

    /// How many events are queued for each block.
    pub(super) fn queued_events(&self) -> BTreeMap<At, u32> {
        let mut counts = BTreeMap::new();
        for &(_, at) in self.queues.values().flatten() {
            *counts.entry(at).or_default() += 1;
        }
        counts
    }
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// Frees a block that other streams used, once they are done.
    pub(super) fn free_later(&mut self, at: At) -> Result<(), DeviceError> {
        let uses = self.deferred.uses.remove(&at).unwrap_or_default();
        self.blocks[at].used_elsewhere = false;
        self.blocks[at].state = State::Pending;
        for (done, &stream) in uses.iter().enumerate() {
            match self.device.record_event(stream) {
                Ok(event) => {
                    self.blocks[at].events += 1;
                    self.deferred.queues.entry(stream).or_default().push_back((event, at));
                }
                Err(error) => {
                    // The program still has the block, with the uses that no event stands for.
                    self.take_back(at, uses[done..].to_vec());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Undoes a free that failed: the block is the program's again.
    fn take_back(&mut self, at: At, mut uses: Vec<StreamId>) {
        let mut void = Vec::new();
        for (&stream, queue) in &mut self.deferred.queues {
            // Only the last of a queue can be this block's, which was just freed.
            if let Some((event, _)) = queue.pop_back_if(|&mut (_, waiting)| waiting == at) {
                void.push(event);
                uses.push(stream);
            }
        }
        for event in void {
            // The device fails already; an event it does not forget now holds no memory.
            let _ = self.device.drop_event(event);
        }
        self.deferred.queues.retain(|_, queue| !queue.is_empty());
        let block = &mut self.blocks[at];
        block.events = 0;
        block.state = State::Held;
        block.used_elsewhere = true;
        self.deferred.uses.insert(at, uses);
    }

    /// Frees what waited for events that are complete.
    pub(super) fn finish_frees(&mut self) -> Result<(), DeviceError> {
        let streams: Vec<StreamId> = self.deferred.queues.keys().copied().collect();
        for stream in streams {
            while let Some(&(event, at)) = self.first_of(stream) {
                if !self.device.is_complete(event)? {
                    break;
                }
                self.finish_first(stream, event, at)?;
            }
        }
        Ok(())
    }

    /// Waits for the first event of a stream, and frees what waited for it alone.
    pub(super) fn wait_for_first(&mut self, stream: StreamId) -> Result<(), DeviceError> {
        if let Some(&(event, at)) = self.first_of(stream) {
            self.device.wait_for_event(event)?;
            self.finish_first(stream, event, at)?;
        }
        Ok(())
    }

    fn first_of(&self, stream: StreamId) -> Option<&(EventId, At)> {
        self.deferred.queues.get(&stream)?.front()
    }

    fn finish_first(
        &mut self,
        stream: StreamId,
        event: EventId,
        at: At,
    ) -> Result<(), DeviceError> {
        self.device.drop_event(event)?;
        if let Some(queue) = self.deferred.queues.get_mut(&stream) {
            queue.pop_front();
            if queue.is_empty() {
                self.deferred.queues.remove(&stream);
            }
        }
        self.blocks[at].events -= 1;
        if self.blocks[at].events == 0 {
            self.shelve(at);
        }
        Ok(())
    }

    /// Looks how far an arena's stream is, without waiting: up to when, on the allocator's clock,
    /// its work is done.
    pub(super) fn settle(&mut self, arena: ArenaIndex) -> Result<u64, DeviceError> {
        let clock = self.clock;
        let book = &mut self.arenas[arena];
        if book.settled == clock {
            return Ok(clock);
        }
        if book.checkpoint.is_none() {
            book.checkpoint = Some((self.device.record_event(book.stream)?, clock));
        }
        if let Some((event, time)) = book.checkpoint
            && self.device.is_complete(event)?
        {
            self.device.drop_event(event)?;
            book.checkpoint = None;
            book.settled = book.settled.max(time);
        }
        Ok(book.settled)
    }

    /// Waits until all work queued on an arena's stream is done.
    pub(super) fn wait_for_arena(&mut self, arena: ArenaIndex) -> Result<(), DeviceError> {
        let book = &mut self.arenas[arena];
        self.device.wait_for_stream(book.stream)?;
        book.settled = self.clock;
        if let Some((event, _)) = book.checkpoint {
            self.device.drop_event(event)?;
            book.checkpoint = None;
        }
        Ok(())
    }
}
