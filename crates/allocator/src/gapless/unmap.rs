//! Taking old mappings away.

use gapless_device::{Device, DeviceError};
use gapless_units::Extent;

use super::hold::Hold;
use super::names::{Frame, PageIndex, are_neighbors};

/// Unmaps the aliases under frames, and then makes one more call of the device, all outside. What could not
/// be unmapped stays in the books.
pub(super) fn unmap<H: Hold>(
    hold: &mut H,
    frames: &[Frame],
    then: impl FnOnce(&mut H::Device) -> Result<(), DeviceError>,
) -> Result<(), DeviceError> {
    let table = &mut hold.books().table;
    let mut aliases: Vec<(Frame, PageIndex)> = Vec::with_capacity(frames.len());
    for &frame in frames {
        if let Some(page) = table.begin_to_unmap(frame) {
            table.frame_mut(frame).underway = true;
            aliases.push((frame, page));
        }
    }
    aliases.sort_unstable();
    let runs: Vec<&[(Frame, PageIndex)]> =
        aliases.chunk_by(|(a, _), (b, _)| are_neighbors(a, b)).collect();
    let span = |run: &&[(Frame, PageIndex)]| {
        Extent::between(table.addr(run[0].0), table.extent(run[run.len() - 1].0).end())
    };
    let spans: Vec<Extent> = runs.iter().map(span).collect();
    let (gone, answer) = hold.outside(|device| {
        for (gone, &span) in spans.iter().enumerate() {
            if let Err(error) = device.unmap(span) {
                return (gone, Err(error));
            }
        }
        (spans.len(), then(device))
    });
    let table = &mut hold.books().table;
    table.end_to_unmap(runs.iter().copied(), gone);
    for &(frame, _) in &aliases {
        table.frame_mut(frame).underway = false;
    }
    answer
}
