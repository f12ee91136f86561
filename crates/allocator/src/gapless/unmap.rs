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
        for (is_gone, &span) in gone.iter_mut().zip(&spans) {
            match device.unmap(span) {
                Ok(()) => *is_gone = true,
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

#[cfg(test)]
mod tests {
    use gapless_device::{Faulty, Sim, SimSetup};
    use gapless_units::{Bytes, StreamId};

    use super::*;
    use crate::allocator::Allocator;
    use crate::gapless::hold::Alone;
    use crate::gapless::{GaplessAllocator, Slack};

    /// An allocator with aliases in two gaps of two pages each.
    fn with_aliases() -> (GaplessAllocator<Faulty<Sim>>, Vec<Slot>) {
        let device = Faulty::new(Sim::new(SimSetup::new(Bytes::gib(1))));
        let mut it = GaplessAllocator::new(device, Slack::NONE, ());
        let mut take = |mib| it.allocate(Bytes::mib(mib), StreamId(0)).unwrap();
        let [one, _, other, _] = [4, 2, 4, 2].map(&mut take);
        for gap in [one, other] {
            assert_eq!(it.free(gap), Ok(()));
        }
        // It takes the pages of both gaps.
        let _large = it.allocate(Bytes::mib(8), StreamId(0)).unwrap();
        let table = &it.books.table;
        let all = table.reservation_indices().flat_map(|index| table.slots(index));
        let aliases: Vec<Slot> = all
            .filter(|&slot| table.slot(slot).page.is_some() && !table.has_memory(slot))
            .collect();
        assert_eq!(aliases.len(), 4);
        (it, aliases)
    }

    #[test]
    fn beside_a_mapping_that_cannot_go_others_do() {
        let (mut it, aliases) = with_aliases();
        it.device.refuse_unmaps(1);
        let mut hold = Alone::new(&mut it.books, &mut it.device);
        let answer = unmap(&mut hold, &aliases, |_| panic!("not all of them are gone"));
        assert_eq!(answer, Err(DeviceError::OutOfMappings { call: "unmap" }));
        assert_eq!(it.books.table.alias_count, 2);
        assert_eq!(it.check_invariants(), Ok(()));
    }

    #[test]
    fn after_any_other_failure_none_is_tried() {
        let (mut it, aliases) = with_aliases();
        let next = it.device.calls() + 1;
        it.device.fail(next..next + 1);
        let mut hold = Alone::new(&mut it.books, &mut it.device);
        let answer = unmap(&mut hold, &aliases, |_| panic!("not all of them are gone"));
        assert!(answer.is_err_and(|error| !matches!(error, DeviceError::OutOfMappings { .. })));
        assert_eq!(it.books.table.alias_count, 4);
        assert_eq!(it.check_invariants(), Ok(()));
    }
}
