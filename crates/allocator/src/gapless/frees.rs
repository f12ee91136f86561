//! Frees of blocks that other streams used: when the work of these is done.

use gapless_device::{Device, DeviceError};
use gapless_units::StreamId;

use super::block::State;
use super::books::Books;
use super::deferred::Queued;
use super::names::BlockIndex;
use crate::observer::Observer;

impl<O: Observer> Books<O> {
    /// Frees a block that other streams used, once they are done.
    pub(super) fn free_later(
        &mut self,
        device: &mut impl Device,
        at: BlockIndex,
    ) -> Result<(), DeviceError> {
        if self.is_capturing() {
            self.postpone(at);
        } else {
            self.record_uses(device, at)?;
        }
        self.note_free(at);
        let block = &mut self.blocks[at];
        block.used_elsewhere = false;
        block.state = State::Pending;
        Ok(())
    }

    /// Records an event on each stream that used a block.
    pub(super) fn record_uses(
        &mut self,
        device: &mut impl Device,
        at: BlockIndex,
    ) -> Result<(), DeviceError> {
        let uses = self.deferred.uses.remove(&at).unwrap_or_default();
        for (done, &stream) in uses.iter().enumerate() {
            match device.record_event(stream) {
                Ok(event) => {
                    self.deferred.push(stream, event, at);
                }
                Err(error) => {
                    // The block is whose it was, with the uses that no event stands for.
                    self.forget_events_of(at, uses[done..].to_vec());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Undoes what was recorded of a block's uses, behind all that was recorded before.
    fn forget_events_of(&mut self, at: BlockIndex, mut uses: Vec<StreamId>) {
        uses.extend(self.deferred.take_back(at));
        self.deferred.uses.insert(at, uses);
    }

    /// Frees what waited for events that are complete.
    pub(super) fn finish_frees(&mut self, device: &mut impl Device) -> Result<(), DeviceError> {
        if self.is_capturing() {
            return Ok(());
        }
        self.record_postponed(device)?;
        let streams: Vec<StreamId> = self.deferred.queues.keys().copied().collect();
        for stream in streams {
            while let Some(Queued { event, .. }) = self.deferred.first_of(stream) {
                if !device.is_complete(event)? {
                    break;
                }
                self.pass_first(stream);
            }
        }
        self.drop_spent(device)
    }

    /// Takes in that a stream reached its first event, and frees what waited for that alone.
    pub(super) fn pass_first(&mut self, stream: StreamId) {
        if let Some(Queued { at, .. }) = self.deferred.pass_first(stream) {
            self.finish(at);
        }
    }

    /// Has the device forget the events that nobody needs any more.
    pub(super) fn drop_spent(&mut self, device: &mut impl Device) -> Result<(), DeviceError> {
        while let Some(event) = self.deferred.spent() {
            device.drop_event(event)?;
            self.deferred.forget_spent();
        }
        Ok(())
    }

    fn finish(&mut self, at: BlockIndex) {
        if self.deferred.pass_one(at) {
            self.take_unused(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Faulty, Sim, SimSetup};
    use gapless_units::Bytes;

    use super::*;
    use crate::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    /// Of two events the second cannot be recorded, and the first is not forgotten at once.
    #[test]
    fn an_event_that_is_not_forgotten_is_forgotten_later() {
        let device = Faulty::new(Sim::new(SimSetup::new(Bytes::mib(64))));
        let mut it = GaplessAllocator::new(device, Slack::NONE, ());
        let block = it.allocate(Bytes::mib(2), StreamId(0)).unwrap();
        for stream in [StreamId(1), StreamId(2)] {
            assert_eq!(it.record_stream(block, stream), Ok(()));
        }
        let next = it.device.calls() + 1;
        it.device.fail(next + 1..next + 3);
        assert!(it.free(block).is_err());
        assert_eq!(it.check_invariants(), Ok(()));
        assert!(it.process_events().is_err());
        assert_eq!(it.process_events(), Ok(()));
        assert_eq!(it.device.device().events(), 0);
        assert_eq!(it.free(block), Ok(()));
        assert_eq!(it.process_events(), Ok(()));
        assert_eq!((it.live(), it.device.device().events()), (Bytes::ZERO, 0));
    }
}
