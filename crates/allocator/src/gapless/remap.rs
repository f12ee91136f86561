//! What the device has to do to bring pages under slots, as one decision that is carried out.

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Addr, Bytes, Extent};

/// Mappings to take away, and mappings to make instead.
#[derive(Clone, Debug, Default)]
pub(super) struct Remap {
    /// Runs of old mappings in the way.
    pub(super) stale: Vec<Extent>,
    /// Where each handle goes.
    pub(super) mappings: Vec<(Addr, Handle)>,
    /// The runs of addresses that they fill.
    pub(super) spans: Vec<Extent>,
    /// The size of each mapping.
    pub(super) page_size: Bytes,
}

/// How far a remap came.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// How many of the stale runs are gone.
    pub(super) unmapped: usize,
    /// The mappings that were made are the first so many.
    pub(super) mapped: usize,
    /// After a failure: the addresses of those of them that could not be undone.
    pub(super) stuck: Vec<Extent>,
    /// What failed.
    pub(super) failure: Option<DeviceError>,
}

impl Remap {
    /// Makes the calls. After one that fails the new mappings are undone.
    pub(super) fn carry_out(&self, device: &mut impl Device) -> Carried {
        let mut carried = Carried::default();
        if let Err(error) = self.attempt(device, &mut carried) {
            let end = carried.mapped;
            let mut made = self.mappings[..end].iter().map(|&(addr, _)| addr);
            let (stuck, worse) = self.undo(device, made.next_back());
            carried.stuck = stuck;
            // For want of mappings some may be forgotten, and the request made again: what else fails
            // would not be told.
            let can_be_helped = matches!(error, DeviceError::OutOfMappings { .. });
            carried.failure = Some(worse.filter(|_| can_be_helped).unwrap_or(error));
        }
        carried
    }

    fn attempt(&self, device: &mut impl Device, carried: &mut Carried) -> Result<(), DeviceError> {
        for &run in &self.stale {
            device.unmap(run)?;
            carried.unmapped += 1;
        }
        for &(addr, handle) in &self.mappings {
            device.map(addr, handle)?;
            carried.mapped += 1;
        }
        for &span in &self.spans {
            device.set_access(span)?;
        }
        Ok(())
    }

    /// Takes the mappings up to the last made away again; answers the runs that stay, and why.
    fn undo(
        &self,
        device: &mut impl Device,
        last: Option<Addr>,
    ) -> (Vec<Extent>, Option<DeviceError>) {
        let (mut stuck, mut why) = (Vec::new(), None);
        let Some(last) = last else { return (stuck, why) };
        for span in self.spans.iter().filter(|span| span.start() <= last) {
            let run = Extent::between(span.start(), span.end().min(last + self.page_size));
            if let Err(error) = device.unmap(run) {
                stuck.push(run);
                why = Some(error);
            }
        }
        (stuck, why)
    }
}
