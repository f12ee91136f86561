//! How many mappings there are: no more than the device keeps.
//!
//! An alias takes no memory, but a driver keeps a limited number of mappings: an H100's is reported to
//! fail at some 520,000, a process on Linux has 65,530. So the aliases that were left longest ago go
//! when the limit is near; the pages in use stay mapped in any case.

use gapless_device::{Device, DeviceError};

use super::books::Books;
use super::hold::Hold;
use super::names::{ArenaIndex, Frame};
use super::unmap::unmap;
use super::waits::wait_for_arena;
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

/// Forgets some aliases, after a wait for the work that may use them if need be: what others of the
/// process have mapped is not known. Says whether there were any.
#[cold]
pub(super) fn forget_some<H: Hold>(hold: &mut H) -> Result<bool, DeviceError> {
    if 0 < forget_oldest(hold, BATCH)? {
        return Ok(true);
    }
    hold.books().stalls += 1;
    for arena in hold.books().arenas.indices() {
        wait_for_arena(hold, arena)?;
    }
    Ok(0 < forget_oldest(hold, BATCH)?)
}

/// Unmaps the oldest aliases that no work uses, so many at most; answers how many.
#[cold]
fn forget_oldest<H: Hold>(hold: &mut H, count: usize) -> Result<usize, DeviceError> {
    let (books, device) = hold.parts();
    let arenas: Vec<ArenaIndex> = books.arenas.indices().collect();
    for arena in arenas {
        books.settle(device, arena)?;
    }
    let oldest = books.oldest_aliases(count);
    unmap(hold, &oldest, |_| Ok(()))?;
    Ok(oldest.len())
}

impl<O: Observer> Books<O> {
    /// The frames of the aliases that were left longest ago and that no work uses, so many at most.
    fn oldest_aliases(&self, count: usize) -> Vec<Frame> {
        let mut aliases: Vec<(u64, Frame)> = Vec::with_capacity(self.table.alias_count);
        for (index, territory) in self.table.territories() {
            let settled = self.arenas[territory.arena].settled;
            let left = self.table.frames(index).filter_map(|frame| {
                let book = self.table.frame(frame);
                let is_alias = book.page.is_some() && !self.table.has_memory(frame);
                let may_go = !book.underway && book.pins == 0 && book.left <= settled;
                (is_alias && may_go).then_some((book.left, frame))
            });
            aliases.extend(left);
        }
        if count < aliases.len() {
            aliases.select_nth_unstable(count);
            aliases.truncate(count);
        }
        aliases.into_iter().map(|(_, frame)| frame).collect()
    }
}
