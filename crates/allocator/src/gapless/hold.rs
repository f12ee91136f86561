//! Books and device in one hand.
//!
//! What decides needs the books; what it decides, the device carries out. A call of the device may
//! take long, so it is made [outside](Hold::outside): whoever shares the books may use them
//! meanwhile. What the call is about has been marked as underway before, and nobody else touches it.

use gapless_device::Device;
use gapless_units::Bytes;

use super::books::Books;
use crate::observer::Observer;

/// Has the books and the device. As provided, nobody else has the books.
pub(super) trait Hold {
    /// The device.
    type Device: Device;
    /// Who is told what happens.
    type Observer: Observer;

    /// The books and the device, for calls that do not take long: events are recorded and asked
    /// about with the books in hand. A card takes long to record one where the queue of its stream is full.
    fn parts(&mut self) -> (&mut Books<Self::Observer>, &mut Self::Device);

    /// The books.
    fn books(&mut self) -> &mut Books<Self::Observer> {
        self.parts().0
    }

    /// Calls the device with the books out of hand. They may be others afterwards.
    fn outside<T>(&mut self, call: impl FnOnce(&mut Self::Device) -> T) -> T;

    /// Takes in that the request waits for the device; however often it does, it counts once.
    fn note_stall(&mut self);

    /// Merges all that waits in any front.
    fn clear_fronts(&mut self) {
        self.books().clear_front();
    }

    /// Whether so much takes more pages than the device has in all.
    fn is_more_than_all(&mut self, size: Bytes) -> bool {
        let (books, device) = self.parts();
        let pages = books.table.pages_for(size);
        let has_less = |memory: Bytes| books.table.whole_pages(memory) < pages;
        has_less(books.reserved) && has_less(device.memory().total)
    }

    /// Lets all that know arenas by their names look again: some pool or stream is over.
    fn note_end(&mut self) {}

    /// Waits until one of those that are outside is back. False where nobody is.
    fn wait_for_return(&mut self) -> bool {
        false
    }

    /// The same for a request that is short, where somebody is outside for more than to wait for work. The
    /// others may be short as well: false from the second time on, or two would wait for each other in turn
    /// for ever.
    fn wait_for_others(&mut self) -> bool {
        false
    }

    /// Whether a search that found nothing, and has nothing to wait for, may find something if it
    /// is made again, because of what others did meanwhile.
    fn may_search_again(&mut self) -> bool {
        false
    }

    /// Waits while a request searches a last time before it fails: who takes what it might need, and
    /// has no need of it, does not do so meanwhile.
    fn let_others_search(&mut self) {}
}

/// Nobody else has the books.
pub(super) struct Alone<'a, D, O> {
    books: &'a mut Books<O>,
    device: &'a mut D,
    has_stalled: bool,
}

impl<'a, D, O> Alone<'a, D, O> {
    pub(super) fn new(books: &'a mut Books<O>, device: &'a mut D) -> Self {
        Self { books, device, has_stalled: false }
    }
}

impl<D: Device, O: Observer> Hold for Alone<'_, D, O> {
    type Device = D;
    type Observer = O;

    fn parts(&mut self) -> (&mut Books<O>, &mut D) {
        (self.books, self.device)
    }

    fn outside<T>(&mut self, call: impl FnOnce(&mut D) -> T) -> T {
        call(self.device)
    }

    fn note_stall(&mut self) {
        self.books.stalls += u64::from(!std::mem::replace(&mut self.has_stalled, true));
    }
}
