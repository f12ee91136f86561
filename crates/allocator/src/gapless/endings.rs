//! Pools and streams that are over.

use gapless_device::{Device, DeviceError};
use gapless_units::{PoolId, StreamId};
use rustc_hash::FxHashSet;

use super::books::Books;
use super::hold::Hold;
use super::names::ArenaIndex;
use super::waits::wait_for_first;
use crate::observer::Observer;

/// Waits for all work on a stream, and asks the device about it no more.
pub(super) fn end_stream<H: Hold>(hold: &mut H, stream: StreamId) -> Result<(), DeviceError> {
    hold.outside(|device| device.wait_for_stream(stream))?;
    while hold.books().deferred.first_of(stream).is_some() {
        wait_for_first(hold, stream)?;
    }
    let (books, device) = hold.parts();
    for index in books.arenas.indices() {
        if books.arenas[index].stream == stream {
            books.drop_checkpoint(device, index)?;
        }
    }
    books.arenas.end_stream(stream);
    books.forget_uses_on(stream);
    // Who waits for the stream at this moment has to be back before it is gone.
    while hold.books().waited_for.contains(&stream) && hold.wait_for_return() {}
    Ok(())
}

/// Forgets arenas that are over and in which nothing lies.
pub(super) fn remove_empty_arenas<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    let (books, device) = hold.parts();
    for index in books.empty_arenas() {
        books.drop_checkpoint(device, index)?;
        books.arenas.remove(index, books.clock);
    }
    Ok(())
}

impl<O: Observer> Books<O> {
    /// Lets the pages of a private pool move from now on.
    pub(super) fn end_pool(&mut self, pool: PoolId) {
        if pool.is_private() {
            self.arenas.end_pool(pool);
        }
    }

    fn drop_checkpoint(
        &mut self,
        device: &mut impl Device,
        arena: ArenaIndex,
    ) -> Result<(), DeviceError> {
        if let Some((event, _)) = self.arenas[arena].checkpoint {
            device.drop_event(event)?;
            self.arenas[arena].checkpoint = None;
        }
        Ok(())
    }

    /// Forgets that a stream used blocks which the program still has.
    fn forget_uses_on(&mut self, stream: StreamId) {
        self.deferred.uses.retain(|&at, streams| {
            streams.retain(|&other| other != stream);
            self.blocks[at].used_elsewhere = !streams.is_empty();
            !streams.is_empty()
        });
    }

    /// The arenas that are over, that have no addresses, and that no request is about to be served in.
    fn empty_arenas(&self) -> Vec<ArenaIndex> {
        let territories = self.table.territories();
        let with_addresses: FxHashSet<ArenaIndex> = territories
            .filter(|(_, territory)| territory.first.some().is_some())
            .map(|(_, territory)| territory.arena)
            .collect();
        let is_empty =
            |index: &ArenaIndex| self.arenas[*index].may_go() && !with_addresses.contains(index);
        self.arenas.indices().filter(is_empty).collect()
    }
}

#[cfg(test)]
mod tests {
    use gapless_device::{Placement, Sim, SimSetup};
    use gapless_units::Bytes;

    use crate::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    use super::*;

    /// There is room for the addresses of two dozen arenas. More pools than that come and go, some of
    /// them under a name that others had.
    #[test]
    fn places_of_arenas_are_used_again() {
        let placement = Placement::HighestFirst;
        let setup = SimSetup { placement, ..SimSetup::new(Bytes::gib(256)) };
        let mut allocator = GaplessAllocator::new(Sim::new(setup), Slack::NONE, ());
        for number in 1..200 {
            let (pool, stream) = (PoolId(0, 1 + number % 50), StreamId(number % 3));
            let block = allocator.allocate_in(pool, Bytes::mib(2), stream).unwrap();
            assert_eq!(allocator.free(block), Ok(()));
            allocator.end_pool(pool);
            assert_eq!(allocator.end_stream(stream), Ok(()));
        }
        let arenas = allocator.books.arenas.indices().count();
        assert!(arenas < 40, "{arenas} arenas");
        assert_eq!(allocator.empty_cache(), Ok(()));
        assert!(allocator.books.empty_arenas().is_empty());
        let mut places = allocator.books.arenas.indices();
        assert!(!places.any(|index| allocator.books.arenas[index].may_go()));
    }
}
