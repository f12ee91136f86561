//! How far streams are: frees that are finished, and waits for those that are not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use gapless_device::{Device, DeviceError, EventId};
use gapless_units::StreamId;

use super::block::State;
use super::books::Books;
use super::deferred::Queued;
use super::hold::Hold;
use super::names::{ArenaIndex, At};
use crate::observer::Observer;

/// How far streams are: a stream that lags is asked once, not for each of its blocks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    until: BTreeMap<ArenaIndex, u64>,
}

impl Progress {
    /// Up to when the work of an arena's stream was done when it was asked about first.
    pub(super) fn of<O: Observer>(
        &mut self,
        arena: ArenaIndex,
        books: &mut Books<O>,
        device: &mut impl Device,
    ) -> Result<u64, DeviceError> {
        match self.until.entry(arena) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(unknown) => Ok(*unknown.insert(books.settle(device, arena)?)),
        }
    }
}

impl<O: Observer> Books<O> {
    /// Frees a block that other streams used, once they are done.
    pub(super) fn free_later(
        &mut self,
        device: &mut impl Device,
        at: At,
    ) -> Result<(), DeviceError> {
        if self.is_capturing() {
            self.postpone(at);
        } else {
            self.record_uses(device, at)?;
        }
        self.note_free(at);
        let block = &mut self.blocks[at];
        block.used_elsewhere = false;
        block.state = State::Pending;
        Ok(())
    }

    /// Records an event on each stream that used a block.
    pub(super) fn record_uses(
        &mut self,
        device: &mut impl Device,
        at: At,
    ) -> Result<(), DeviceError> {
        let uses = self.deferred.uses.remove(&at).unwrap_or_default();
        for (done, &stream) in uses.iter().enumerate() {
            match device.record_event(stream) {
                Ok(event) => {
                    self.deferred.push(stream, event, at);
                }
                Err(error) => {
                    // The block is whose it was, with the uses that no event stands for.
                    self.forget_events_of(device, at, uses[done..].to_vec());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Undoes what was recorded of a block's uses, the last of all frees.
    fn forget_events_of(&mut self, device: &mut impl Device, at: At, mut uses: Vec<StreamId>) {
        let mut void = Vec::new();
        for (&stream, queue) in &mut self.deferred.queues {
            // Only the last of a queue can be this block's, which was just freed.
            if let Some(queued) = queue.pop_back_if(|queued| queued.at == at) {
                void.push(queued.event);
                uses.push(stream);
            }
        }
        for event in void {
            // The device fails already; an event it does not forget now holds no memory.
            let _ = device.drop_event(event);
        }
        self.deferred.queues.retain(|_, queue| !queue.is_empty());
        self.deferred.counts.remove(&at);
        self.deferred.uses.insert(at, uses);
    }

    /// Frees what waited for events that are complete.
    pub(super) fn finish_frees(&mut self, device: &mut impl Device) -> Result<(), DeviceError> {
        if self.is_capturing() {
            return Ok(());
        }
        self.record_postponed(device)?;
        let streams: Vec<StreamId> = self.deferred.queues.keys().copied().collect();
        for stream in streams {
            while let Some(Queued { event, .. }) = self.deferred.first_of(stream) {
                if !device.is_complete(event)? {
                    break;
                }
                self.pass_first(stream);
            }
        }
        self.drop_spent(device)
    }

    /// Takes in that a stream reached its first event, and frees what waited for that alone.
    fn pass_first(&mut self, stream: StreamId) {
        if let Some(Queued { at, .. }) = self.deferred.pass_first(stream) {
            self.finish(at);
        }
    }

    /// Has the device forget the events that nobody needs any more.
    fn drop_spent(&mut self, device: &mut impl Device) -> Result<(), DeviceError> {
        while let Some(event) = self.deferred.spent() {
            device.drop_event(event)?;
            self.deferred.forget_spent();
        }
        Ok(())
    }

    fn finish(&mut self, at: At) {
        if self.deferred.is_last(at) {
            self.take_unused(at);
        }
    }

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

    /// Looks how far an arena's stream is, without waiting: up to when, on the allocator's clock,
    /// its work is done.
    pub(super) fn settle(
        &mut self,
        device: &mut impl Device,
        arena: ArenaIndex,
    ) -> Result<u64, DeviceError> {
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
    hold.books().stalls += 1;
    wait_for_arena(hold, arena)
}
