//! Reservations with memory under all of them, from the first call to the last.
//!
//! Going back takes several calls of the device, each of which may fail. So a reservation that goes
//! back is first put among those that leave, and leaves step by step: where a step fails, the next
//! try goes on from there.

use std::collections::VecDeque;

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Addr, Bytes, Extent};

use super::holdings::Holdings;
use super::mapping::map_all;
use crate::observer::Observer;

/// A reservation on its way back.
#[derive(Clone, Debug)]
struct Leaving {
    extent: Extent,
    /// How much from its start on is mapped.
    mapped: Bytes,
    /// Handles to release once nothing is mapped.
    handles: Vec<Handle>,
    /// The size of each.
    handle_size: Bytes,
}

/// The reservations that are leaving.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservations {
    leaving: VecDeque<Leaving>,
}

impl Reservations {
    /// Reserves addresses and maps memory that somebody else holds under all of them.
    pub(super) fn reserve_over<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        handles: &[Handle],
        handle_size: Bytes,
    ) -> Result<Extent, DeviceError> {
        let size = Bytes::new(handle_size.get() * handles.len() as u64);
        let extent = holdings.device.reserve(size)?;
        match map_all(&mut holdings.device, extent.start(), handles, handle_size) {
            Ok(()) => Ok(extent),
            Err(unmapped) => {
                let handles = Vec::new();
                self.leaving.push_back(Leaving {
                    extent,
                    mapped: unmapped.left,
                    handles,
                    handle_size,
                });
                // What fails again is tried again later; the first failure is the one to tell.
                let _ = self.clear(holdings);
                Err(unmapped.error)
            }
        }
    }

    /// Reserves addresses with so many new handles under them.
    pub(super) fn reserve_new<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        count: usize,
        handle_size: Bytes,
    ) -> Result<(Extent, Vec<Handle>), DeviceError> {
        let mut handles = Vec::new();
        let created = holdings.create_all(count, handle_size, &mut handles);
        let answer = created.and_then(|()| self.reserve_over(holdings, &handles, handle_size));
        match answer {
            Ok(extent) => Ok((extent, handles)),
            Err(error) => {
                self.give_back(None, handles, handle_size);
                // What fails again is tried again later; the first failure is the one to tell.
                let _ = self.clear(holdings);
                Err(error)
            }
        }
    }

    /// Lets a reservation that is mapped throughout go, and then these handles; no work uses
    /// either. [`Reservations::clear`] carries it out.
    pub(super) fn give_back(
        &mut self,
        extent: Option<Extent>,
        handles: Vec<Handle>,
        handle_size: Bytes,
    ) {
        let extent = extent.unwrap_or(Extent::between(Addr::default(), Addr::default()));
        self.leaving.push_back(Leaving { extent, mapped: extent.size(), handles, handle_size });
    }

    /// Carries out what is left to do.
    pub(super) fn clear<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        while let Some(first) = self.leaving.front_mut() {
            first.leave(holdings)?;
            self.leaving.pop_front();
        }
        Ok(())
    }
}

impl Leaving {
    fn leave<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        if !self.mapped.is_zero() {
            let start = self.extent.start();
            holdings.device.unmap(Extent::between(start, start + self.mapped))?;
            self.mapped = Bytes::ZERO;
        }
        while let Some(&handle) = self.handles.last() {
            holdings.release(handle, self.handle_size)?;
            self.handles.pop();
        }
        if !self.extent.is_empty() {
            holdings.device.unreserve(self.extent)?;
        }
        Ok(())
    }
}
