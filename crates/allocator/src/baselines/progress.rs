//! How far the work on each stream is, as far as anybody asked.
//!
//! Real allocators mark each free with an event of its own. Here an event is recorded when somebody
//! asks whether a free is over, and stands for everything freed on its stream until then: at most
//! one is open for each stream, and programs on a single stream need none.

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::StreamId;

use super::stamp::Stamp;

/// What is known of one stream.
#[derive(Clone, Debug)]
struct Queue {
    stream: StreamId,
    /// When memory was last freed on it.
    used: u64,
    /// Up to when its work is done.
    settled: u64,
    /// An event behind everything freed until then.
    checkpoint: Option<(EventId, u64)>,
}

impl Queue {
    /// Whether its work is done up to `time`; asks the device where it has to.
    fn is_done<D: Device>(
        &mut self,
        device: &mut D,
        time: u64,
        now: u64,
    ) -> Result<bool, DeviceError> {
        while self.settled < time.min(self.used) {
            let (event, until) = match self.checkpoint {
                Some(checkpoint) => checkpoint,
                None => *self.checkpoint.insert((device.record_event(self.stream)?, now)),
            };
            if !device.is_complete(event)? {
                return Ok(false);
            }
            device.drop_event(event)?;
            self.checkpoint = None;
            self.settled = self.settled.max(until);
        }
        Ok(true)
    }

    /// Waits for all of its work.
    fn wait<D: Device>(&mut self, device: &mut D, now: u64) -> Result<(), DeviceError> {
        device.wait_for_stream(self.stream)?;
        self.settled = now;
        if let Some((event, _)) = self.checkpoint {
            device.drop_event(event)?;
            self.checkpoint = None;
        }
        Ok(())
    }
}

/// The clock that counts frees, and what is known of each stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    now: u64,
    /// In the order of streams.
    queues: Vec<Queue>,
}

impl Progress {
    /// The stamp of memory that is freed now, having been used on a stream.
    pub(super) fn stamp(&mut self, stream: StreamId) -> Stamp {
        self.now += 1;
        let place = self.queues.binary_search_by_key(&stream, |queue| queue.stream);
        match place {
            Ok(place) => self.queues[place].used = self.now,
            Err(place) => {
                let (used, settled, checkpoint) = (self.now, 0, None);
                self.queues.insert(place, Queue { stream, used, settled, checkpoint });
            }
        }
        Stamp { stream: Some(stream), time: self.now }
    }

    /// Whether work on `stream` may use memory with this stamp at once.
    pub(super) fn is_ready<D: Device>(
        &mut self,
        device: &mut D,
        stamp: Stamp,
        stream: StreamId,
    ) -> Result<bool, DeviceError> {
        if stamp.time == 0 || stamp.stream == Some(stream) {
            return Ok(true);
        }
        self.are_done(device, stamp, |other| other != stream)
    }

    /// Whether all work is done that used memory with this stamp.
    pub(super) fn is_done<D: Device>(
        &mut self,
        device: &mut D,
        stamp: Stamp,
    ) -> Result<bool, DeviceError> {
        self.are_done(device, stamp, |_| true)
    }

    fn are_done<D: Device>(
        &mut self,
        device: &mut D,
        stamp: Stamp,
        counts: impl Fn(StreamId) -> bool,
    ) -> Result<bool, DeviceError> {
        let now = self.now;
        let used_by = |stream| stamp.stream.is_none_or(|only| only == stream);
        for queue in &mut self.queues {
            let matters = used_by(queue.stream) && counts(queue.stream);
            if matters && !queue.is_done(device, stamp.time, now)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for all work but that of `except`, where it is not done; says whether it had to.
    pub(super) fn wait_for_all<D: Device>(
        &mut self,
        device: &mut D,
        except: Option<StreamId>,
    ) -> Result<bool, DeviceError> {
        let now = self.now;
        let mut has_waited = false;
        for queue in &mut self.queues {
            if Some(queue.stream) != except && !queue.is_done(device, now, now)? {
                queue.wait(device, now)?;
                has_waited = true;
            }
        }
        Ok(has_waited)
    }

    /// Takes note that the program waited for the whole device.
    pub(super) fn note_all_done(&mut self) {
        for queue in &mut self.queues {
            queue.settled = self.now;
        }
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Completion, Sim, SimSetup};
    use gapless_units::Bytes;

    use super::*;

    const COMPUTE: StreamId = StreamId(0);
    const COPY: StreamId = StreamId(1);

    fn device() -> Sim {
        let completion = Completion::WhenTold;
        Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::gib(1)) })
    }

    #[test]
    fn memory_is_ready_for_its_own_stream_and_for_others_when_its_work_is_done() {
        let (mut device, mut progress) = (device(), Progress::default());
        let stamp = progress.stamp(COMPUTE);
        assert_eq!(progress.is_ready(&mut device, stamp, COMPUTE), Ok(true));
        assert_eq!(progress.is_ready(&mut device, stamp, COPY), Ok(false));
        device.finish_work_on(COMPUTE);
        assert_eq!(progress.is_ready(&mut device, stamp, COPY), Ok(true));
        assert_eq!(progress.is_ready(&mut device, Stamp::UNUSED, COPY), Ok(true));
    }

    #[test]
    fn memory_of_several_streams_waits_for_all_of_them() {
        let (mut device, mut progress) = (device(), Progress::default());
        let both = progress.stamp(COMPUTE).and(progress.stamp(COPY));
        // Whoever asks waits for the other.
        assert_eq!(progress.is_ready(&mut device, both, COMPUTE), Ok(false));
        assert_eq!(progress.is_ready(&mut device, both, COPY), Ok(false));
        device.finish_work_on(COMPUTE);
        assert_eq!(progress.is_ready(&mut device, both, COMPUTE), Ok(false));
        assert_eq!(progress.is_ready(&mut device, both, COPY), Ok(true));
        assert_eq!(progress.is_done(&mut device, both), Ok(false));
        assert_eq!(progress.wait_for_all(&mut device, None), Ok(true));
        assert_eq!(progress.is_done(&mut device, both), Ok(true));
        assert_eq!(progress.wait_for_all(&mut device, None), Ok(false));
    }
}
