//! Pools and streams that are over.

use gapless_device::DeviceError;
use gapless_units::{PoolId, StreamId};

use super::books::Books;
use super::hold::Hold;
use super::names::{ArenaIndex, BlockIndex};
use super::waits::{wait_for_all_uses, wait_for_stream};
use crate::observer::Observer;

/// Lets the pages of a private pool move from now on.
pub(super) fn end_pool<H: Hold>(hold: &mut H, pool: PoolId) {
    if pool.is_private() {
        hold.clear_fronts();
        hold.books().end_pool(pool);
        hold.note_end();
    }
}

/// Waits for all work on a stream, and asks the device about it no more.
pub(super) fn end_stream<H: Hold>(hold: &mut H, stream: StreamId) -> Result<(), DeviceError> {
    hold.books().check_no_capture("end stream")?;
    wait_for_stream(hold, stream)?;
    loop {
        let (books, device) = hold.parts();
        // A capture may have begun meanwhile: then uses of the stream wait for its end.
        books.check_no_capture("end stream")?;
        books.record_postponed(device)?;
        // Others may free what was used on it meanwhile.
        if books.deferred.last_of(stream).is_none() {
            break;
        }
        wait_for_all_uses(hold, stream)?;
    }
    let (books, device) = hold.parts();
    for index in books.arenas.indices() {
        if books.arenas[index].stream == stream {
            books.drop_checkpoint(device, index)?;
        }
    }
    books.arenas.end_stream(stream);
    books.forget_uses_on(stream);
    hold.note_end();
    // Who waits for the stream at this moment has to be back before it is gone.
    while hold.books().is_waited_for(stream) && hold.wait_for_return() {}
    Ok(())
}

/// Forgets arenas that are over and in which nothing lies.
pub(super) fn remove_empty_arenas<H: Hold>(hold: &mut H) -> Result<(), DeviceError> {
    let (books, device) = hold.parts();
    // Their events are not touched while a graph is captured.
    if books.is_capturing() {
        return Ok(());
    }
    for index in books.empty_arenas() {
        books.drop_checkpoint(device, index)?;
        books.arenas.remove(index, books.clock);
    }
    Ok(())
}

impl<O: Observer> Books<O> {
    /// Takes in that a pool is over. Graphs that ran until now used what was free in it.
    fn end_pool(&mut self, pool: PoolId) {
        self.clock.pass();
        // What is left of an older pool of the name was used no later than until that ended.
        let goes_on = |&arena: &ArenaIndex| {
            self.arenas[arena].pool == pool && !self.arenas[arena].pool_is_over
        };
        for arena in self.arenas.indices().filter(goes_on) {
            let own = self.table.reservations().filter(|(_, book)| book.arena == arena);
            // Also what a request has in hand, which may come back.
            let all: Vec<BlockIndex> =
                own.flat_map(|(_, book)| self.blocks.from(book.first)).collect();
            for at in all {
                self.blocks[at].freed = self.clock;
            }
        }
        self.arenas.end_pool(pool);
    }

    /// Forgets that a stream used blocks which the program still has. No free is postponed.
    fn forget_uses_on(&mut self, stream: StreamId) {
        self.deferred.uses.retain(|&at, streams| {
            streams.retain(|&other| other != stream);
            self.blocks[at].used_elsewhere = !streams.is_empty();
            !streams.is_empty()
        });
    }

    /// The arenas that are over, that have no addresses, and that no request is about to be served in.
    fn empty_arenas(&self) -> Vec<ArenaIndex> {
        let with_addresses = self.table.owners();
        let is_empty =
            |index: &ArenaIndex| self.arenas[*index].may_go() && !with_addresses.contains(index);
        self.arenas.indices().filter(is_empty).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use crate::Allocator;
    use crate::gapless::hold::Alone;
    use crate::gapless::waits::wait_for_arena;
    use crate::gapless::{BlockId, GaplessAllocator, Slack};
    use gapless_device::{Completion, Device, Faulty, Placement, Sim, SimSetup};
    use gapless_units::Bytes;

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

    /// All work of a pool is done, and its stream is asked about once more, because time has gone on:
    /// who answers late finds the arena gone.
    #[test]
    fn an_arena_that_goes_leaves_no_event() {
        let (placement, completion) = (Placement::HighestFirst, Completion::WhenTold);
        let setup = SimSetup { placement, completion, ..SimSetup::new(Bytes::gib(256)) };
        let mut allocator = GaplessAllocator::new(Sim::new(setup), Slack::NONE, ());
        for number in 1..100 {
            let (pool, stream) = (PoolId(0, number), StreamId(number));
            let block = allocator.allocate_in(pool, Bytes::mib(2), stream).unwrap();
            assert_eq!(allocator.free(block), Ok(()));
            let GaplessAllocator { books, device } = &mut allocator;
            let arena = books.arenas.of(pool, stream);
            assert_eq!(wait_for_arena(&mut Alone::new(books, device), arena), Ok(()));
            let later = allocator.allocate(Bytes::new(512), StreamId(0)).unwrap();
            assert_eq!(allocator.free(later), Ok(()));
            allocator.end_pool(pool);
        }
        let Books { arenas, .. } = &allocator.books;
        assert!(arenas.indices().count() < 40);
        let asked = arenas.indices().filter(|&index| arenas[index].checkpoint.is_some());
        assert_eq!(allocator.device.events(), asked.count());
    }

    /// Who waited for a stream when the device panicked never comes back.
    #[test]
    fn who_is_gone_does_not_wait() {
        let mut allocator =
            GaplessAllocator::new(Sim::new(SimSetup::new(Bytes::gib(1))), Slack::NONE, ());
        allocator.books.waits.push((StreamId(7), Weak::new()));
        assert!(!allocator.books.is_waited_for(StreamId(7)));
        let block = allocator.allocate(Bytes::mib(2), StreamId(7)).unwrap();
        assert_eq!(allocator.free(block), Ok(()));
        assert_eq!(allocator.empty_cache(), Ok(()));
        assert!(allocator.books.waits.is_empty());
    }

    /// An allocator over so much memory whose streams are done only when somebody waits.
    fn lagging(total: Bytes) -> GaplessAllocator<Sim> {
        let completion = Completion::WhenTold;
        let setup = SimSetup { completion, ..SimSetup::new(total) };
        GaplessAllocator::new(Sim::new(setup), Slack::NONE, ())
    }

    const POOL: PoolId = PoolId(0, 1);

    /// An allocator all of whose device lies free in a private pool.
    fn with_a_free_pool() -> GaplessAllocator<Sim> {
        let mut allocator = lagging(Bytes::mib(4));
        let block = allocator.allocate_in(POOL, Bytes::mib(4), StreamId(1)).unwrap();
        assert_eq!(allocator.free(block), Ok(()));
        allocator
    }

    /// A graph ran after all that was known of its stream was done: who takes over its memory waits for
    /// that as well.
    #[test]
    fn the_last_run_of_a_graph_is_waited_for() {
        let mut allocator = with_a_free_pool();
        assert_eq!(allocator.trim(Bytes::mib(2)), Ok(()), "its work is waited for");
        allocator.end_pool(POOL);
        assert!(allocator.allocate(Bytes::mib(4), StreamId(2)).is_ok());
        assert_eq!(allocator.stalls(), 1);
    }

    /// What is left of a pool is waited for once, however often others of its name end.
    #[test]
    fn a_pool_ends_once() {
        let mut allocator = with_a_free_pool();
        allocator.end_pool(POOL);
        assert_eq!(allocator.trim(Bytes::mib(2)), Ok(()), "its work is waited for");
        allocator.end_pool(POOL);
        assert!(allocator.allocate(Bytes::mib(4), StreamId(2)).is_ok());
        assert_eq!(allocator.stalls(), 0);
    }

    /// The same where a request has some of that memory in hand at the time, and gives it back.
    #[test]
    fn what_is_in_hand_when_a_pool_ends_is_waited_for() {
        let mut allocator = lagging(Bytes::mib(8));
        let (pool, graphs, other) = (PoolId(0, 1), StreamId(1), StreamId(2));
        let mut take = || allocator.allocate_in(pool, Bytes::mib(4), graphs).unwrap();
        let (block, _behind) = (take(), take());
        assert_eq!(allocator.free(block), Ok(()));
        assert_eq!(allocator.trim(Bytes::mib(2)), Ok(()), "its work is waited for");
        let GaplessAllocator { books, device } = &mut allocator;
        let arena = books.arenas.of(pool, graphs);
        let place = books.best_place(arena, Bytes::mib(4)).unwrap();
        let part = books.blocks[place.at()].extent();
        let in_hand = books.cut_out(place.at(), part, 0);
        end_pool(&mut Alone::new(books, device), pool);
        allocator.books.put_back(in_hand);
        assert!(allocator.allocate(Bytes::mib(4), other).is_ok());
        assert_eq!(allocator.stalls(), 1);
    }

    /// A capture that failed to end left a block whose use is not recorded; the stream of that use ends
    /// while the next capture begins.
    #[test]
    fn a_use_is_not_forgotten_for_a_capture() {
        let device = Faulty::new(Sim::new(SimSetup::new(Bytes::gib(1))));
        let mut allocator = GaplessAllocator::new(device, Slack::NONE, ());
        let block = allocator.allocate(Bytes::mib(2), StreamId(0)).unwrap();
        assert_eq!(allocator.record_stream(block, StreamId(7)), Ok(()));
        allocator.begin_capture();
        assert_eq!(allocator.free(block), Ok(()));
        let next = allocator.device.calls() + 1;
        allocator.device.fail(next..next + 1);
        assert!(allocator.end_capture().is_err());
        let GaplessAllocator { books, device } = &mut allocator;
        let mut overtaken = CaptureBegins(Alone::new(books, device));
        assert!(end_stream(&mut overtaken, StreamId(7)).is_err(), "it can be ended again");
        assert_eq!(allocator.end_capture(), Ok(()));
        assert_eq!(allocator.end_stream(StreamId(7)), Ok(()));
        assert_eq!(allocator.live(), Bytes::ZERO);
        assert_eq!(allocator.check_invariants(), Ok(()));
    }

    /// Another thread begins a capture whenever this one calls the device.
    struct CaptureBegins<'a, D>(Alone<'a, D, ()>);

    impl<D: Device> Hold for CaptureBegins<'_, D> {
        type Device = D;
        type Observer = ();

        fn parts(&mut self) -> (&mut Books<()>, &mut D) {
            self.0.parts()
        }

        fn outside<T>(&mut self, call: impl FnOnce(&mut D) -> T) -> T {
            self.0.books().captures += 1;
            self.0.outside(call)
        }

        fn note_stall(&mut self) {
            self.0.note_stall();
        }
    }

    /// A stream ends; while its last event is waited for, another thread begins a capture and frees a block
    /// that a third stream used, whose event comes after the capture.
    #[test]
    fn a_free_is_not_forgotten_for_a_capture() {
        let mut allocator = lagging(Bytes::gib(1));
        let mut take = || allocator.allocate(Bytes::mib(2), StreamId(0)).unwrap();
        let (queued, held) = (take(), take());
        for (block, stream) in [(queued, StreamId(7)), (held, StreamId(5))] {
            assert_eq!(allocator.record_stream(block, stream), Ok(()));
        }
        assert_eq!(allocator.free(queued), Ok(()));
        let GaplessAllocator { books, device } = &mut allocator;
        let mut overtaken = CaptureFrees { hold: Alone::new(books, device), block: held, calls: 0 };
        assert!(end_stream(&mut overtaken, StreamId(7)).is_err(), "it can be ended again");
        assert_eq!(allocator.check_invariants(), Ok(()));
        assert_eq!(allocator.end_capture(), Ok(()));
        assert_eq!(allocator.end_stream(StreamId(7)), Ok(()));
        assert_eq!(allocator.check_invariants(), Ok(()));
        assert_eq!(allocator.end_stream(StreamId(5)), Ok(()));
        assert_eq!(allocator.live(), Bytes::ZERO);
    }

    /// Another thread begins a capture while this one waits for an event, and frees a block.
    struct CaptureFrees<'a, D> {
        hold: Alone<'a, D, ()>,
        block: BlockId,
        calls: u32,
    }

    impl<D: Device> Hold for CaptureFrees<'_, D> {
        type Device = D;
        type Observer = ();

        fn parts(&mut self) -> (&mut Books<()>, &mut D) {
            self.hold.parts()
        }

        fn outside<T>(&mut self, call: impl FnOnce(&mut D) -> T) -> T {
            self.calls += 1;
            // The stream is waited for first, then its event.
            if self.calls == 2 {
                let (books, device) = self.hold.parts();
                books.captures += 1;
                let at = books.blocks.held(self.block).unwrap();
                assert_eq!(books.free_later(device, at), Ok(()));
                books.take_back(at);
            }
            self.hold.outside(call)
        }

        fn note_stall(&mut self) {
            self.hold.note_stall();
        }
    }

    /// The pool of everybody goes on, whatever it is called.
    #[test]
    fn the_default_pool_is_never_over() {
        let mut allocator =
            GaplessAllocator::new(Sim::new(SimSetup::new(Bytes::gib(1))), Slack::NONE, ());
        let block = allocator.allocate(Bytes::mib(2), StreamId(0)).unwrap();
        allocator.end_pool(PoolId::DEFAULT);
        assert!(allocator.books.arenas.indices().all(|at| !allocator.books.arenas[at].may_go()));
        assert_eq!(allocator.free(block), Ok(()));
    }
}
