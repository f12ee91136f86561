//! What is tried when the front has no block: every step that needs no wait before any that does.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, PoolId, StreamId};

use super::awaited::Awaited;
use super::books::Books;
use super::hold::Hold;
use super::mappings::forget_some;
use super::names::{ArenaIndex, BlockIndex};
use super::place::{take_best, take_elsewhere};
use super::planned::take_planned;
use super::supply::Refusal;
use super::trim::settle_spare_pages;
use super::waits::{stall_for_arena, wait_for_arena, wait_for_uses};
use crate::failure::{AllocationError, Shortage};
use crate::observer::{Happening, Observer};

/// A block of exactly `rounded` bytes, for a request to have.
pub(super) fn acquire<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    rounded: Bytes,
    requested: Bytes,
) -> Result<BlockIndex, AllocationError> {
    let (books, device) = hold.parts();
    if books.deferred.is_waiting() {
        books.finish_frees(device)?;
    }
    books.clear_front();
    if books.has_place(arena)
        && let Some(at) = take_planned(hold, arena, rounded)?
    {
        return Ok(at);
    }
    let books = hold.books();
    let mut tightest = books.best_place(arena, rounded);
    if let Some(at) = tightest.and_then(|place| books.cut_ready(place)) {
        return Ok(at);
    }
    if hold.is_more_than_all(rounded) {
        let (books, device) = hold.parts();
        let name = books.name_of(arena);
        return Err(books.too_large(device, rounded, requested, name));
    }
    let mut tried = Tried { short: 1, addresses: false, mappings: false };
    loop {
        let refusal = match take_best(hold, arena, rounded, tightest) {
            Ok(at) => return Ok(at),
            Err(refusal) => refusal,
        };
        let is_stuck = matches!(refusal, Refusal::Underway);
        if !make_way(hold, arena, refusal, &mut tried)? {
            if is_stuck && let Some(at) = pass_by(hold, arena, rounded)? {
                return Ok(at);
            }
            break;
        }
        // What the wait freed may fit as it is, so everything is searched again.
        hold.clear_fronts();
        tightest = hold.books().best_place(arena, rounded);
    }
    settle_spare_pages(hold)?;
    let (books, device) = hold.parts();
    let device_free = device.memory().free;
    // What is left of the device beyond whole pages is no use.
    let pages = tried.short + books.table.whole_pages(device_free);
    let asked = books.table.bytes_of(pages);
    let shortage = if books.is_capturing() { Shortage::Capture } else { Shortage::Memory };
    let missing = Missing { requested, rounded, tried: asked, device_free, shortage };
    let name = books.name_of(arena);
    Err(books.out_of_memory(missing, name))
}

/// What was tried for a request.
struct Tried {
    /// How many pages were missing last.
    short: u64,
    /// Whether the fronts were emptied for want of addresses.
    addresses: bool,
    /// Whether all work was waited for, for want of mappings.
    mappings: bool,
}

/// Does what may help a request that was refused. Says whether it is worth to search again.
fn make_way<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    refusal: Refusal,
    tried: &mut Tried,
) -> Result<bool, DeviceError> {
    match refusal {
        Refusal::Device(DeviceError::OutOfMappings { .. }) if forget_some(hold)? => Ok(true),
        Refusal::Device(DeviceError::OutOfMappings { .. })
            if !hold.books().is_capturing() && !std::mem::replace(&mut tried.mappings, true) =>
        {
            free_mappings(hold)?;
            Ok(true)
        }
        // What lies in fronts and what waits for other streams keeps its addresses.
        Refusal::Device(DeviceError::OutOfAddresses { .. })
            if !std::mem::replace(&mut tried.addresses, true)
                || wait_for_some_use(hold)?
                || hold.wait_for_others() =>
        {
            Ok(true)
        }
        Refusal::Device(error) => Err(error),
        Refusal::Short(pages) => {
            tried.short = pages;
            let has_changed = hold.wait_for_others() || wait_for_pages(hold, arena, pages)?;
            Ok(has_changed || hold.may_search_again())
        }
        Refusal::Busy if hold.books().is_capturing() => Ok(false),
        // A slot is in the way, not a page: the work on it is the arena's own.
        Refusal::Busy => {
            if !hold.wait_for_others() {
                stall_for_arena(hold, arena)?;
            }
            Ok(true)
        }
        // What another request is about to change is there as soon as that is done.
        Refusal::Underway => Ok(hold.wait_for_return() || hold.may_search_again()),
    }
}

/// A block beside slots that a request left behind which panicked in a call of the device: it never
/// comes back to finish them.
#[cold]
fn pass_by<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    size: Bytes,
) -> Result<Option<BlockIndex>, DeviceError> {
    match take_elsewhere(hold, arena, size) {
        Ok(at) => Ok(Some(at)),
        Err(Refusal::Device(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Waits for all work, after which every page that lies free can move, and gives those back that are
/// mapped nowhere: else they come before the others.
#[cold]
fn free_mappings<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    hold.note_stall();
    for arena in hold.books().table.owners() {
        // A capture may begin between two waits.
        if hold.books().is_capturing() {
            return Ok(());
        }
        wait_for_arena(hold, arena)?;
    }
    match settle_spare_pages(hold) {
        Err(DeviceError::OutOfMappings { .. }) => Ok(()),
        answer => answer,
    }
}

/// Waits for the first use of a block that was given back, on any stream. Says whether there is one.
#[cold]
fn wait_for_some_use<H: Hold>(hold: &mut H) -> Result<bool, DeviceError> {
    let mut first = hold.books().deferred.first();
    first.take_if(|_| hold.books().is_capturing());
    if let Some((stream, event)) = first {
        wait_for(hold, Awaited::Uses(stream, event))?;
    }
    Ok(first.is_some())
}

/// Waits until so many pages are free, as far as there is something to wait for; says whether there
/// was.
#[cold]
fn wait_for_pages<H: Hold>(
    hold: &mut H,
    arena: ArenaIndex,
    pages: u64,
) -> Result<bool, DeviceError> {
    let mut need = hold.books().table.bytes_of(pages);
    let mut has_waited = false;
    // With less it would be searched in vain, each time among all that is free.
    while !need.is_zero()
        && !hold.books().is_capturing()
        && let Some(waits) = hold.books().smallest_sufficient(arena, need)
    {
        for &awaited in &waits.awaited {
            // A capture may begin between two waits.
            if hold.books().is_capturing() {
                return Ok(has_waited);
            }
            wait_for(hold, awaited)?;
        }
        has_waited = true;
        need = need.saturating_sub(waits.gain);
    }
    Ok(has_waited)
}

#[cold]
fn wait_for<H: Hold>(hold: &mut H, awaited: Awaited) -> Result<(), DeviceError> {
    match awaited {
        Awaited::Uses(stream, until) => {
            if wait_for_uses(hold, stream, until)? {
                hold.note_stall();
            }
            Ok(())
        }
        Awaited::Arena(arena) => stall_for_arena(hold, arena),
    }
}

/// What a request that failed would have needed.
#[derive(Clone, Copy, Debug)]
struct Missing {
    requested: Bytes,
    rounded: Bytes,
    /// What was asked of the device.
    tried: Bytes,
    device_free: Bytes,
    shortage: Shortage,
}

impl<O: Observer> Books<O> {
    /// Refuses a request that no device could meet.
    pub(super) fn too_large(
        &mut self,
        device: &impl Device,
        rounded: Bytes,
        requested: Bytes,
        name: (PoolId, StreamId),
    ) -> AllocationError {
        let device_free = device.memory().free;
        let shortage = Shortage::Device;
        let pages = rounded.get().checked_next_multiple_of(self.table.page_size.get());
        let tried = pages.map_or(rounded, Bytes::new);
        let missing = Missing { requested, rounded, tried, device_free, shortage };
        self.out_of_memory(missing, name)
    }

    /// Counts and tells a failure.
    fn out_of_memory(
        &mut self,
        missing: Missing,
        (pool, stream): (PoolId, StreamId),
    ) -> AllocationError {
        let Missing { requested, rounded, tried, device_free, shortage } = missing;
        self.note_failure(Happening {
            action: Action::OutOfMemory,
            addr: Addr::new(device_free.get()),
            size: rounded,
            stream,
            pool,
        });
        let limit = None;
        AllocationError::OutOfMemory { requested, rounded, tried, device_free, limit, shortage }
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Sim, SimSetup};

    use super::*;
    use crate::gapless::names::Slot;
    use crate::gapless::{GaplessAllocator, Slack};

    /// A device that panics leaves slots behind that nobody will give back: they are passed by.
    #[test]
    fn who_never_comes_back_is_not_waited_for() {
        let device = Sim::new(SimSetup::new(Bytes::gib(1)));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let held = allocator.allocate(Bytes::mib(2), StreamId(0));
        let books = &mut allocator.books;
        let arena = books.arenas.of(PoolId::DEFAULT, StreamId(0));
        let next = books.best_place(arena, Bytes::mib(2)).unwrap();
        let lacking: Vec<Slot> = books.lacking(next).collect();
        books.table.slot_mut(lacking[0]).underway = true;
        assert!(held.is_ok());
        for _ in 0..3 {
            assert!(allocator.allocate(Bytes::mib(3), StreamId(0)).is_ok());
        }
        assert_eq!(allocator.books.stalls, 0);
    }
}
