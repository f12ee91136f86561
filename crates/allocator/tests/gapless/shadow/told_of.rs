//! What a program tells the allocator of: streams that end, peers, captures of graphs.

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, DeviceId, Extent, StreamId};

use super::{BEHIND_THE_CAPTURE, Shadow};
use crate::subject::Subject;

impl<S: Subject> Shadow<S> {
    pub(super) fn end_stream(&mut self, stream: StreamId) -> Result<(), String> {
        let mut told_of = self.held.iter().map(|held| &held.told_of);
        if !S::STREAMS_END_AT_ANY_TIME && told_of.any(|streams| streams.contains(&stream)) {
            return Ok(());
        }
        let now = self.watched(|device| {
            device.sim.make_stream(stream);
            device.next_tick()
        });
        let answer = self.allocator.end_stream(stream);
        if answer.is_ok() {
            let is_done = self.watched(|device| {
                device.sim.destroy_stream(stream);
                device.is_done(stream, now)
            });
            if !is_done {
                return Err(format!("{stream} is over, and its work is not done"));
            }
            for held in &mut self.held {
                held.uses.remove(&stream);
            }
        }
        self.absorb(answer)
    }

    pub(super) fn enable_peer(&mut self, peer: DeviceId) -> Result<(), String> {
        // Where that fails it is told again.
        loop {
            let answer = self.allocator.enable_peer_access(peer);
            let is_done = answer.is_ok();
            self.absorb(answer)?;
            if is_done {
                return Ok(());
            }
        }
    }

    pub(super) fn begin_capture(&mut self) {
        if self.captures == 0 {
            let segments = self.allocator.segments();
            let ranges = segments.iter().map(|it| Extent::between(it.addr, it.addr + it.size));
            self.before_capture = self.watched(|device| {
                device.is_capturing = true;
                ranges.flat_map(|range| device.granules(range)).collect()
            });
        }
        self.captures += 1;
        self.allocator.begin_capture();
    }

    pub(super) fn end_capture(&mut self) -> Result<(), String> {
        match self.captures {
            0 => {
                let answer = self.allocator.end_capture();
                let is_refused = matches!(answer, Err(DeviceError::Invalid { .. }));
                return is_refused.then_some(()).ok_or("no capture is over".to_owned());
            }
            1 => {
                self.before_capture.clear();
                // What was given back meanwhile is asked about from now on, one after the other.
                let mut now = self.watched(|device| {
                    device.is_capturing = false;
                    device.next_tick()
                });
                let postponed = self.lingering.iter_mut();
                for block in postponed.filter(|block| block.freed == BEHIND_THE_CAPTURE) {
                    block.freed = now;
                    now += block.streams.len() as u64;
                }
            }
            _ => {}
        }
        self.captures -= 1;
        let answer = self.allocator.end_capture();
        self.absorb(answer)
    }

    /// While a graph is captured a request fails where the device has no new pages for it.
    pub(super) fn check_refusal_in_capture(&self, size: Bytes) -> Result<(), String> {
        let free = self.device.memory().free;
        let page = self.page.over(self.device.granule()).get();
        if size.get().div_ceil(page) < free.get() / page {
            return Err(format!("{size} was refused while the device has {free}"));
        }
        Ok(())
    }
}
