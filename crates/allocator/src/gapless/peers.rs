//! Other devices that use the memory.
//!
//! Access belongs to a mapping, not to memory, so it is set for every peer wherever a page comes to lie: by
//! the device, which knows them all, with each [`Device::set_access`]. What is mapped by the time that a peer
//! comes is opened here.

use gapless_device::{Device, DeviceError};
use gapless_units::{DeviceId, Extent};

use super::books::Books;
use super::hold::Hold;
use super::names::{Slot, are_neighbors};
use crate::observer::Observer;

/// Lets a peer use all that is mapped now and later.
pub(super) fn enable_peer_access<H: Hold>(hold: &mut H, peer: DeviceId) -> Result<(), DeviceError> {
    hold.outside(|device| device.enable_peer_access(peer))?;
    // What others are about to map may have been opened before the peer was there.
    let mut left = hold.books().mapped_or_underway();
    let mut may_come_back = true;
    loop {
        let table = &mut hold.books().table;
        let (underway, ready): (Vec<Slot>, _) =
            left.into_iter().partition(|&slot| table.slot(slot).underway);
        let ready: Vec<Slot> =
            ready.into_iter().filter(|&slot| table.slot(slot).page.is_some()).collect();
        for &slot in &ready {
            table.slot_mut(slot).underway = true;
        }
        let runs = ready.chunk_by(are_neighbors);
        let spans: Vec<Extent> = runs.map(|run| table.span_of(run)).collect();
        let opened =
            hold.outside(|device| spans.iter().try_for_each(|&span| device.set_access(span)));
        for &slot in &ready {
            hold.books().table.slot_mut(slot).underway = false;
        }
        opened?;
        left = underway;
        if left.is_empty() || !may_come_back {
            return Ok(());
        }
        // Once more where all are back: what is underway then was left by a device that panicked.
        may_come_back = hold.wait_for_return();
    }
}

impl<O: Observer> Books<O> {
    /// The slots under which something is mapped, or about to be, in order.
    fn mapped_or_underway(&self) -> Vec<Slot> {
        let slots = self.table.reservations().flat_map(|(index, _)| self.table.slots(index));
        let is_so = |slot: &Slot| {
            let book = self.table.slot(*slot);
            book.page.is_some() || book.underway
        };
        slots.filter(is_so).collect()
    }
}
