//! Taking old mappings away.

use gapless_device::{Device, DeviceError};
use gapless_units::Extent;

use super::hold::Hold;
use super::names::{PageIndex, Slot, are_neighbors};

/// Unmaps the aliases under slots, and where all are gone makes one more call of the device, all outside. What
/// could not be unmapped stays in the books; where one could not for want of mappings, others may.
pub(super) fn unmap<H: Hold>(
    hold: &mut H,
    slots: &[Slot],
    then: impl FnOnce(&mut H::Device) -> Result<(), DeviceError>,
) -> Result<(), DeviceError> {
    let table = &mut hold.books().table;
    let mut aliases: Vec<(Slot, PageIndex)> = Vec::with_capacity(slots.len());
    for &slot in slots {
        if let Some(page) = table.begin_to_unmap(slot) {
            table.slot_mut(slot).underway = true;
            aliases.push((slot, page));
        }
    }
    aliases.sort_unstable();
    let runs: Vec<&[(Slot, PageIndex)]> =
        aliases.chunk_by(|(a, _), (b, _)| are_neighbors(a, b)).collect();
    let span = |run: &&[(Slot, PageIndex)]| {
        Extent::between(table.addr(run[0].0), table.extent(run[run.len() - 1].0).end())
    };
    let spans: Vec<Extent> = runs.iter().map(span).collect();
    let mut gone = vec![false; runs.len()];
    let answer = hold.outside(|device| {
        let mut answer = Ok(());
        for (gone, &span) in gone.iter_mut().zip(&spans) {
            match device.unmap(span) {
                Ok(()) => *gone = true,
                Err(error @ DeviceError::OutOfMappings { .. }) => answer = Err(error),
                Err(error) => return Err(error),
            }
        }
        answer.and_then(|()| then(device))
    });
    let table = &mut hold.books().table;
    table.end_to_unmap(runs.iter().copied().zip(gone));
    for &(slot, _) in &aliases {
        table.slot_mut(slot).underway = false;
    }
    answer
}
