//! What the device has to do to bring pages under frames, as one decision that is carried out.

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
            carried.failure = Some(error);
            let end = carried.mapped;
            let mut made = self.mappings[..end].iter().map(|&(addr, _)| addr);
            carried.stuck = self.undo(device, made.next_back());
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

    /// Takes the mappings up to the last made away again; answers the runs that stay.
    fn undo(&self, device: &mut impl Device, last: Option<Addr>) -> Vec<Extent> {
        let Some(last) = last else { return Vec::new() };
        let made = self.spans.iter().filter(|span| span.start() <= last);
        let made =
            made.map(|span| Extent::between(span.start(), span.end().min(last + self.page_size)));
        made.filter(|&run| device.unmap(run).is_err()).collect()
    }
}
