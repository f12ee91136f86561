//! While a graph is captured.
//!
//! A driver answers nothing about events and streams meanwhile, waits for none, and gives the capture up
//! where it is asked: an H200's was seen to. So nobody asks. Memory can be created and mapped, so a request
//! that needs some gets new pages; what lies elsewhere stays there, whether its stream is done or not.

use gapless_device::{Device, DeviceError};

use super::GaplessAllocator;
use super::books::Books;
use super::hold::{Alone, Hold};
use super::names::BlockIndex;
use crate::observer::Observer;

/// Takes in that a graph is about to be captured. Who waits for the device by then is waited for.
pub(super) fn begin_capture<H: Hold>(hold: &mut H) {
    hold.books().captures += 1;
    while hold.books().is_anything_waited_for() && hold.wait_for_return() {}
}

/// Takes in that a capture is over.
pub(super) fn end_capture<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    let (books, device) = hold.parts();
    let none = DeviceError::Invalid { call: "end capture", reason: "none was begun" };
    books.captures = books.captures.checked_sub(1).ok_or(none)?;
    books.record_postponed(device)
}

impl<D: Device, O: Observer> GaplessAllocator<D, O> {
    /// Tells that a graph is about to be captured, once for each, whatever stream and thread it is. Until
    /// [`GaplessAllocator::end_capture`] the device is called for addresses, memory and mappings alone: a
    /// driver answers nothing about work then, and gives the capture up where it is asked. No page moves,
    /// so that requests without memory take new pages of the device; blocks that were freed and used on
    /// other streams wait for the end; a request that would have to wait fails, and so do
    /// [`GaplessAllocator::trim`] and [`GaplessAllocator::end_stream`].
    ///
    /// What is captured uses its addresses again each time that the graph runs: it comes from a private
    /// pool, whose pages stay where they are until [`GaplessAllocator::end_pool`].
    pub fn begin_capture(&mut self) {
        begin_capture(&mut Alone::new(&mut self.books, &mut self.device));
    }

    /// Tells that a capture is over, after the device was told to end it. Fails where none was begun, or
    /// where the device does: the capture is over then, and what was freed meanwhile and used on other
    /// streams is asked about later.
    pub fn end_capture(&mut self) -> Result<(), DeviceError> {
        end_capture(&mut Alone::new(&mut self.books, &mut self.device))
    }

    /// Whether a capture was begun that did not end.
    pub fn is_capturing(&self) -> bool {
        self.books.is_capturing()
    }
}

impl<O: Observer> Books<O> {
    /// Whether a graph is being captured.
    pub(super) fn is_capturing(&self) -> bool {
        0 < self.captures
    }

    /// Refuses what needs to wait for the device, or to move pages, while a graph is captured.
    pub(super) fn check_no_capture(&self, call: &'static str) -> Result<(), DeviceError> {
        if self.is_capturing() {
            return Err(DeviceError::Invalid { call, reason: "a graph is being captured" });
        }
        Ok(())
    }

    /// Keeps a block that other streams used for as long as their work cannot be asked about.
    pub(super) fn postpone(&mut self, at: BlockIndex) {
        self.deferred.postponed.push_back(at);
    }

    /// Records the events that blocks wait for which were given back during a capture, unless there
    /// is one.
    pub(super) fn record_postponed(&mut self, device: &mut impl Device) -> Result<(), DeviceError> {
        while !self.is_capturing()
            && let Some(&at) = self.deferred.postponed.front()
        {
            self.record_uses(device, at)?;
            self.deferred.postponed.pop_front();
        }
        Ok(())
    }
}
