//! Handles under addresses: all of them mapped and accessible, or none.

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Addr, Bytes, Extent};

/// Why handles are not mapped, and what could not be undone.
#[derive(Debug)]
pub(super) struct Unmapped {
    pub(super) error: DeviceError,
    /// What is still mapped from the start on, and must not be used.
    pub(super) left: Bytes,
}

/// Maps handles of `size` each, one after another from `start`, and makes them accessible.
pub(super) fn map_all<D: Device>(
    device: &mut D,
    start: Addr,
    handles: &[Handle],
    size: Bytes,
) -> Result<(), Unmapped> {
    let mut end = start;
    for &handle in handles {
        if let Err(error) = device.map(end, handle) {
            return Err(undo(device, Extent::between(start, end), error));
        }
        end = end + size;
    }
    let all = Extent::between(start, end);
    device.set_access(all).map_err(|error| undo(device, all, error))
}

fn undo<D: Device>(device: &mut D, mapped: Extent, error: DeviceError) -> Unmapped {
    let is_clear = mapped.is_empty() || device.unmap(mapped).is_ok();
    Unmapped { error, left: if is_clear { Bytes::ZERO } else { mapped.size() } }
}
