//! How far streams are, and waits for those that are behind.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::StreamId;

use super::books::Books;
use super::hold::Hold;
use super::names::ArenaIndex;
use super::time::Time;
use crate::observer::Observer;

/// How far streams are: a stream that lags is asked once, not for each of its blocks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    until: BTreeMap<ArenaIndex, Time>,
}

impl Progress {
    /// Up to when the work of an arena's stream was done when it was asked about first.
    pub(super) fn of<O: Observer>(
        &mut self,
        arena: ArenaIndex,
        books: &mut Books<O>,
        device: &mut impl Device,
    ) -> Result<Time, DeviceError> {
        match self.until.entry(arena) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(unknown) => Ok(*unknown.insert(books.settle(device, arena)?)),
        }
    }
}

impl<O: Observer> Books<O> {
    /// Whether somebody waits for work of a stream, with the books out of hand.
    pub(super) fn is_waited_for(&self, stream: StreamId) -> bool {
        self.waited_for().any(|other| other == stream)
    }

    /// The same for any stream.
    pub(super) fn is_anything_waited_for(&self) -> bool {
        0 < self.waiting()
    }

    /// How many wait for work, with the books out of hand.
    pub(super) fn waiting(&self) -> usize {
        self.waited_for().count()
    }

    fn waited_for(&self) -> impl Iterator<Item = StreamId> {
        // Where the device panicked, who waited is gone without a word.
        let waits = self.waits.iter().filter(|(_, waiting)| 0 < waiting.strong_count());
        waits.map(|&(stream, _)| stream)
    }

    /// Takes in that somebody waits for work of a stream, as long as what is answered is there.
    fn note_wait(&mut self, stream: StreamId) -> Arc<()> {
        let waiting = Arc::new(());
        self.waits.push((stream, Arc::downgrade(&waiting)));
        waiting
    }

    fn forget_past_waits(&mut self) {
        self.waits.retain(|(_, waiting)| 0 < waiting.strong_count());
    }

    /// Forgets the event that says how far an arena's stream is.
    pub(super) fn drop_checkpoint(
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

    /// Looks how far an arena's stream is, without waiting: up to when its work is done. Where that was
    /// asked before, work done since may not be known yet: to ask anew at once was tried, and more pages moved
    /// in most programs.
    pub(super) fn settle(
        &mut self,
        device: &mut impl Device,
        arena: ArenaIndex,
    ) -> Result<Time, DeviceError> {
        let (clock, is_capturing) = (self.clock, self.is_capturing());
        let book = &mut self.arenas[arena];
        if book.stream_is_over {
            book.settled = clock;
        }
        if book.settled == clock || is_capturing {
            return Ok(book.settled);
        }
        if book.checkpoint.is_none() {
            book.checkpoint = Some((device.record_event(book.stream)?, clock));
        }
        if let Some((event, time)) = book.checkpoint
            && device.is_complete(event)?
        {
            self.drop_checkpoint(device, arena)?;
            let book = &mut self.arenas[arena];
            book.settled = book.settled.max(time);
        }
        Ok(self.arenas[arena].settled)
    }
}

/// Waits for an event of a stream, and frees what waited for it and those before it alone. Says whether
/// there was anything to wait for: somebody else may have met it meanwhile.
pub(super) fn wait_for_uses<H: Hold>(
    hold: &mut H,
    stream: StreamId,
    until: EventId,
) -> Result<bool, DeviceError> {
    hold.books().check_no_capture("wait for event")?;
    let Some(last) = hold.books().deferred.begin_wait(stream, until) else { return Ok(false) };
    let waiting = hold.books().note_wait(stream);
    let answer = hold.outside(|device| device.wait_for_event(until));
    drop(waiting);
    let (books, device) = hold.parts();
    books.forget_past_waits();
    books.deferred.end_wait(until);
    answer?;
    while books.deferred.first_of(stream).is_some_and(|first| first.number <= last) {
        books.pass_first(stream);
    }
    books.drop_spent(device)?;
    Ok(true)
}

/// Waits for all events of a stream that are queued now.
pub(super) fn wait_for_all_uses<H: Hold>(
    hold: &mut H,
    stream: StreamId,
) -> Result<(), DeviceError> {
    match hold.books().deferred.last_of(stream) {
        Some(last) => wait_for_uses(hold, stream, last).map(|_| ()),
        None => Ok(()),
    }
}

/// Waits until all work queued on an arena's stream is done.
pub(super) fn wait_for_arena<H: Hold>(hold: &mut H, arena: ArenaIndex) -> Result<(), DeviceError> {
    let books = hold.books();
    let (stream, now) = (books.arenas[arena].stream, books.clock);
    if books.arenas[arena].stream_is_over {
        books.arenas[arena].settled = now;
        return Ok(());
    }
    wait_for_stream(hold, stream)?;
    let (books, device) = hold.parts();
    // The arena may be another by now; of that nothing was used before.
    let book = &mut books.arenas[arena];
    book.settled = book.settled.max(now);
    match book.checkpoint {
        Some((_, time)) if time <= now => books.drop_checkpoint(device, arena),
        _ => Ok(()),
    }
}

/// Waits until all work queued on a stream is done.
pub(super) fn wait_for_stream<H: Hold>(hold: &mut H, stream: StreamId) -> Result<(), DeviceError> {
    let books = hold.books();
    books.check_no_capture("wait for stream")?;
    let waiting = books.note_wait(stream);
    let waited = hold.outside(|device| device.wait_for_stream(stream));
    drop(waiting);
    hold.books().forget_past_waits();
    waited
}

/// Waits for the stream of an arena, for a request that cannot go on otherwise.
pub(super) fn stall_for_arena<H: Hold>(hold: &mut H, arena: ArenaIndex) -> Result<(), DeviceError> {
    hold.books().check_no_capture("wait for stream")?;
    hold.note_stall();
    wait_for_arena(hold, arena)
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use gapless_device::{Host, HostSetup};
    use gapless_units::{Bytes, PoolId};

    use super::*;
    use crate::Allocator;
    use crate::gapless::{GaplessAllocator, Slack};

    const COMPUTE: StreamId = StreamId(0);

    fn on_host(pages: u64) -> (Host, GaplessAllocator<Host>) {
        let host = Host::new(HostSetup::new(Bytes::mib(2 * pages))).unwrap();
        (host.clone(), GaplessAllocator::new(host, Slack::NONE, ()))
    }

    /// A page that a stream uses and gives back.
    fn turn(it: &mut GaplessAllocator<Host>, stream: StreamId) {
        let block = it.allocate(Bytes::mib(2), stream).unwrap();
        assert_eq!(it.free(block), Ok(()));
    }

    /// A stream that lags is asked about once in a search, however many of its pages are looked at.
    #[test]
    fn progress_is_asked_about_once() {
        let (host, mut it) = on_host(8);
        let gate = host.hold(COMPUTE).unwrap();
        turn(&mut it, COMPUTE);
        let arena = it.books.arenas.of(PoolId::DEFAULT, COMPUTE);
        let mut progress = Progress::default();
        let GaplessAllocator { books, device } = &mut it;
        assert_eq!(progress.of(arena, books, device), Ok(Time::NEVER));
        gate.open();
        assert_eq!(device.wait_for_stream(COMPUTE), Ok(()));
        assert_eq!(
            progress.of(arena, books, device),
            Ok(Time::NEVER),
            "the answer of this search stays"
        );
        assert_eq!(Progress::default().of(arena, books, device), Ok(books.clock));
    }
}
