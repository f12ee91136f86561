//! Blocks given back while other streams may still use them.

use std::collections::{BTreeMap, VecDeque};

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::StreamId;
use rustc_hash::FxHashMap;

/// What waits for other streams. Blocks go by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    /// The streams that used a block since it was handed out.
    uses: FxHashMap<u32, Vec<StreamId>>,
    /// For each stream its events in order, with the block that waits for each.
    queues: BTreeMap<StreamId, VecDeque<(EventId, u32)>>,
}

impl Deferred {
    pub(super) fn is_waiting(&self) -> bool {
        !self.queues.is_empty()
    }

    pub(super) fn note_use(&mut self, place: u32, stream: StreamId) {
        let uses = self.uses.entry(place).or_default();
        if !uses.contains(&stream) {
            uses.push(stream);
        }
    }

    /// Lets a block wait for every stream that used it; says for how many events. Where that
    /// fails, it waits for none, and its uses are as before.
    pub(super) fn defer<D: Device>(
        &mut self,
        device: &mut D,
        place: u32,
    ) -> Result<u32, DeviceError> {
        let uses = self.uses.remove(&place).unwrap_or_default();
        let mut events: Vec<(StreamId, EventId)> = Vec::with_capacity(uses.len());
        for &stream in &uses {
            match device.record_event(stream) {
                Ok(event) => events.push((stream, event)),
                Err(error) => {
                    for (_, event) in events {
                        // The device fails already; an event it does not forget holds no memory.
                        let _ = device.drop_event(event);
                    }
                    self.uses.insert(place, uses);
                    return Err(error);
                }
            }
        }
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        for (stream, event) in events {
            self.queues.entry(stream).or_default().push_back((event, place));
        }
        Ok(count)
    }

    /// Takes out what is complete, or everything by waiting for it: once into `done` for each
    /// event of a block.
    pub(super) fn finish<D: Device>(
        &mut self,
        device: &mut D,
        may_wait: bool,
        done: &mut Vec<u32>,
    ) -> Result<(), DeviceError> {
        let mut answer = Ok(());
        for queue in self.queues.values_mut() {
            answer = answer.and_then(|()| finish_queue(queue, device, may_wait, done));
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        answer
    }

    /// How many events are queued for each block.
    pub(super) fn queued_events(&self) -> BTreeMap<u32, u32> {
        let mut counts = BTreeMap::new();
        for &(_, place) in self.queues.values().flatten() {
            *counts.entry(place).or_default() += 1;
        }
        counts
    }
}

fn finish_queue<D: Device>(
    queue: &mut VecDeque<(EventId, u32)>,
    device: &mut D,
    may_wait: bool,
    done: &mut Vec<u32>,
) -> Result<(), DeviceError> {
    while let Some(&(event, place)) = queue.front() {
        if may_wait {
            device.wait_for_event(event)?;
        } else if !device.is_complete(event)? {
            break;
        }
        device.drop_event(event)?;
        queue.pop_front();
        done.push(place);
    }
    Ok(())
}
