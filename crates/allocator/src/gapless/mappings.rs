//! How many mappings there are: no more than the device keeps.
//!
//! An alias takes no memory, but a driver keeps a limited number of mappings: an H100's is reported to
//! fail at some 520,000, a process on Linux has 65,530. So the aliases that were left longest ago go
//! when the limit is near; the pages in use stay mapped in any case.

use gapless_device::{Device, DeviceError};

use super::books::Books;
use super::hold::Hold;
use super::names::Slot;
use super::time::Time;
use super::unmap::unmap;
use crate::observer::Observer;

/// So many aliases go at a time: to find the oldest takes a look at all.
const BATCH: usize = 256;

/// Makes room for so many more mappings, as far as there are aliases to forget.
pub(super) fn make_room<H: Hold>(hold: &mut H, count: usize) -> Result<(), DeviceError> {
    let (books, device) = hold.parts();
    let wanted = books.table.mapping_count() + count;
    let limit = usize::try_from(device.mapping_limit()).unwrap_or(usize::MAX);
    if limit < wanted {
        forget_oldest(hold, BATCH.max(wanted - limit))?;
    }
    Ok(())
}

/// Forgets some aliases: what others of the process have mapped is not known. Says whether there were
/// any.
#[cold]
pub(super) fn forget_some<H: Hold>(hold: &mut H) -> Result<bool, DeviceError> {
    Ok(0 < forget_oldest(hold, BATCH)?)
}

/// Unmaps the oldest aliases that no work uses, so many at most; answers how many.
#[cold]
fn forget_oldest<H: Hold>(hold: &mut H, count: usize) -> Result<usize, DeviceError> {
    let (books, device) = hold.parts();
    for arena in books.table.owners() {
        books.settle(device, arena)?;
    }
    let oldest = books.oldest_aliases(count);
    match unmap(hold, &oldest, |_| Ok(())) {
        // A mapping may be a part of what the system keeps as one, and taking it away make two of that.
        Ok(()) | Err(DeviceError::OutOfMappings { .. }) => {}
        Err(error) => return Err(error),
    }
    let table = &hold.books().table;
    Ok(oldest.into_iter().filter(|&slot| table.slot(slot).page.is_none()).count())
}

impl<O: Observer> Books<O> {
    /// The slots of the aliases that were left longest ago and that no work uses, so many at most.
    fn oldest_aliases(&self, count: usize) -> Vec<Slot> {
        let mut aliases: Vec<(Time, Slot)> = Vec::with_capacity(self.table.alias_count);
        for (index, reservation) in self.table.reservations() {
            let settled = self.arenas[reservation.arena].settled;
            let aside = self.table.slots(index).filter_map(|slot| {
                let book = self.table.slot(slot);
                let is_alias = book.page.is_some() && !self.table.has_memory(slot);
                let may_go = !book.underway && book.pins == 0 && book.used_until <= settled;
                (is_alias && may_go).then_some((book.used_until, slot))
            });
            aliases.extend(aside);
        }
        if count < aliases.len() {
            aliases.select_nth_unstable(count);
            aliases.truncate(count);
        }
        aliases.into_iter().map(|(_, slot)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Completion, Faulty, Placement, Sim, SimSetup};
    use gapless_units::{Bytes, PoolId, StreamId};

    use crate::allocator::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    /// A device that keeps few mappings and has few addresses.
    fn device(completion: Completion) -> Sim {
        let placement = Placement::HighestFirst;
        let setup = SimSetup::new(Bytes::gib(256));
        Sim::new(SimSetup { placement, completion, mappings: 6, ..setup })
    }

    /// Where one mapping cannot go, another may, or a wait makes some go that are used.
    #[test]
    fn an_unmap_that_is_refused_is_no_reason_to_fail() {
        let mut it =
            GaplessAllocator::new(Faulty::new(device(Completion::AtOnce)), Slack::NONE, ());
        for number in 1..200 {
            it.device.refuse_unmaps(1 + number % 3);
            let sizes = if number % 2 == 0 { [2, 6] } else { [4, 2] };
            let blocks =
                sizes.map(|mib| it.allocate(Bytes::mib(mib), StreamId(number % 3)).unwrap());
            for block in blocks {
                assert_eq!(it.free(block), Ok(()));
            }
            assert_eq!(it.check_invariants(), Ok(()), "round {number}");
        }
        assert!(20 < it.device.failed(), "a tame program: {}", it.device.failed());
    }

    /// Pools come and go.
    #[test]
    fn arenas_that_are_gone_are_not_asked_about() {
        let mut it = GaplessAllocator::new(device(Completion::WhenTold), Slack::NONE, ());
        for number in 1..100 {
            let (pool, stream) = (PoolId(0, number), StreamId(number % 7));
            let block = it.allocate_in(pool, Bytes::mib(4), stream).unwrap();
            assert_eq!(it.free(block), Ok(()));
            it.end_pool(pool);
            let block =
                it.allocate(Bytes::mib(2 + 2 * (number % 2)), StreamId(number % 3)).unwrap();
            assert_eq!(it.free(block), Ok(()));
            assert_eq!(it.check_invariants(), Ok(()), "round {number}");
        }
        let gone = it.books.arenas.indices().filter(|&index| it.books.arenas[index].is_gone);
        assert!(0 < gone.count(), "a tame program");
    }
}
