//! Blocks that other streams still use: events, and frees that wait for them.

use std::collections::{BTreeMap, VecDeque};

use gapless_device::{Device, DeviceError, EventId};
use gapless_trace::Action;
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

use super::CachingAllocator;
use super::hash_order::StreamTable;
use super::names::{BlockId, Slot};
use super::rules::Rules;
use crate::failure::FreeError;
use crate::observer::Observer;

type Queue = VecDeque<(EventId, Slot)>;

/// What waits for other streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    uses: FxHashMap<Slot, StreamTable<()>>,
    /// Uses of blocks that a capture recorded; they end with it.
    capture_uses: Vec<(Slot, StreamId)>,
    /// Blocks freed in a capture, to be looked at when it ends.
    until_capture_ends: Vec<Slot>,
    /// For each stream its events in order, with the block that waits for each.
    queues: StreamTable<Queue>,
}

impl Deferred {
    /// How many events are queued for each block.
    pub(super) fn queued_events(&self) -> BTreeMap<Slot, u32> {
        let mut counts = BTreeMap::new();
        for queue in self.queues.values() {
            for &(_, slot) in queue {
                *counts.entry(slot).or_default() += 1;
            }
        }
        counts
    }
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// Tells that work queued on `stream` so far uses the block, besides its own stream
    /// (`Tensor.record_stream`). Its memory is not used again before that work is done.
    pub fn record_stream(&mut self, block: BlockId, stream: StreamId) -> Result<(), FreeError> {
        let slot = self.blocks.held(block).ok_or(FreeError::NotAllocated)?;
        if self.blocks[slot].stream == stream {
            return Ok(());
        }
        self.blocks[slot].used_elsewhere = true;
        let uses = self.deferred.uses.entry(slot).or_default();
        let known = uses.keys().any(|other| other == stream);
        uses.entry(stream, Rules::DEVICE);
        if self.is_capturing() && !known {
            self.deferred.capture_uses.push((slot, stream));
        }
        Ok(())
    }

    /// Frees a block that other streams used, once they are done.
    pub(super) fn free_later(&mut self, slot: Slot) -> Result<(), DeviceError> {
        if self.is_capturing() {
            self.deferred.until_capture_ends.push(slot);
            return Ok(());
        }
        self.wait_for_uses(slot)
    }

    /// Records an event on each stream that used a block.
    fn wait_for_uses(&mut self, slot: Slot) -> Result<(), DeviceError> {
        let uses = self.deferred.uses.remove(&slot).unwrap_or_default();
        self.blocks[slot].used_elsewhere = false;
        for stream in uses.keys() {
            let event = self.device.record_event(stream)?;
            self.blocks[slot].events += 1;
            self.deferred.queues.entry(stream, Rules::DEVICE).push_back((event, slot));
        }
        Ok(())
    }

    /// After a capture: uses that it recorded are void, since its work runs only in replays.
    fn end_capture_deferrals(&mut self) -> Result<(), DeviceError> {
        if self.deferred.until_capture_ends.is_empty() && self.deferred.capture_uses.is_empty() {
            return Ok(());
        }
        for (slot, stream) in std::mem::take(&mut self.deferred.capture_uses) {
            // A block still held may be used outside of the graph as well, so its uses stay.
            if self.blocks[slot].allocated {
                continue;
            }
            let Some(uses) = self.deferred.uses.remove(&slot) else { continue };
            let mut kept = StreamTable::default();
            for other in uses.keys().filter(|&other| other != stream) {
                kept.entry(other, Rules::DEVICE);
            }
            if !kept.is_empty() {
                self.deferred.uses.insert(slot, kept);
            }
        }
        // Each stays marked as used until its turn comes, so none is merged into another before.
        for slot in std::mem::take(&mut self.deferred.until_capture_ends) {
            self.wait_for_uses(slot)?;
            if self.blocks[slot].events == 0 {
                self.finish_free(slot);
            }
        }
        Ok(())
    }

    /// Frees what waited for events that have completed; PyTorch does it before each request.
    pub fn process_events(&mut self) -> Result<(), DeviceError> {
        self.end_capture_deferrals()?;
        if self.deferred.queues.is_empty() {
            return Ok(());
        }
        let mut place = 0;
        while let Some((at, stream, queue)) = self.deferred.queues.at_or_after(place) {
            let head = queue.front().copied();
            match head {
                None => {
                    self.deferred.queues.remove_at(at);
                    place = at;
                }
                Some((event, slot)) => {
                    if self.device.is_complete(event)? {
                        self.device.drop_event(event)?;
                        self.deferred.queues.entry(stream, Rules::DEVICE).pop_front();
                        self.event_done(slot);
                        place = at;
                    } else {
                        place = at + 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for every event, and frees what waited for them.
    pub(super) fn wait_for_all_events(&mut self) -> Result<(), DeviceError> {
        self.statistics.num_sync_all_streams += 1;
        self.end_capture_deferrals()?;
        let mut place = 0;
        while let Some((at, _, queue)) = self.deferred.queues.at_or_after(place) {
            let events = std::mem::take(queue);
            for (event, slot) in events {
                self.device.wait_for_event(event)?;
                self.device.drop_event(event)?;
                self.event_done(slot);
            }
            place = at + 1;
        }
        self.deferred.queues.clear();
        Ok(())
    }

    fn event_done(&mut self, slot: Slot) {
        self.blocks[slot].events -= 1;
        if self.blocks[slot].events == 0 {
            self.finish_free(slot);
        }
    }

    /// Makes a block that nobody uses any more free, and one with its free neighbors.
    pub(super) fn finish_free(&mut self, slot: Slot) {
        let block = &self.blocks[slot];
        let (size, requested) = (block.size, block.requested);
        let pool = &self.pools[block.pool.0 as usize];
        let kind = pool.kind;
        let expandable = block.segment.is_some();
        self.tell(Action::FreeCompleted, slot, requested);
        let mut splits = 0;
        let mut split_bytes = 0;
        let (prev, next) = (self.blocks[slot].prev, self.blocks[slot].next);
        for neighbor in [prev, next] {
            if let Some(merged) = self.merge(slot, neighbor) {
                splits -= 1;
                split_bytes -= i128::from(merged.get());
            }
        }
        self.put(slot);
        let block = &self.blocks[slot];
        if block.is_split() {
            splits += 1;
            split_bytes += i128::from(block.size.get());
        }
        if !expandable {
            self.statistics.inactive_split.change(kind, splits);
            self.statistics.inactive_split_bytes.change(kind, split_bytes);
        }
        self.statistics.active.decrease(kind, 1);
        self.statistics.active_bytes.decrease(kind, size.get());
        self.statistics.requested_bytes.decrease(kind, requested.get());
    }
}
