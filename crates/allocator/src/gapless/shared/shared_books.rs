//! Books that several threads use, one at a time.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::kept::{Kept, Parcel};
use super::tally::Tally;
use crate::gapless::books::Books;
use crate::gapless::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::observer::Observer;

/// The name of the next books.
static NEXT_NAME: AtomicU64 = AtomicU64::new(0);

/// Books that several threads use, one at a time.
pub(super) struct SharedBooks<O> {
    /// So that no block goes to an allocator it is not from.
    pub(super) name: u64,
    state: Mutex<Guarded<O>>,
    /// Somebody came back from the device.
    pub(super) returned: Condvar,
}

/// The books, and who uses them.
pub(super) struct Guarded<O> {
    pub(super) books: Books<O>,
    /// How many threads call the device at this moment.
    pub(super) outside: u32,
    /// How often one came back.
    pub(super) returns: u64,
    /// Whether a request searches a last time before it fails. One does at a time: two would see
    /// each other take and put back the same pages for ever.
    pub(super) last_search: bool,
    pub(super) fronts: Vec<Arc<Mutex<Kept>>>,
    /// What the books do not know of what happened in fronts that were dropped.
    pub(super) of_gone_fronts: Tally,
    /// Whether everything goes through the books, because requests are watched.
    pub(super) are_shut: bool,
    /// How many pools and streams are over.
    pub(super) ends: u64,
}

/// Takes a lock, also where a thread panicked with it: only an observer or a device can. What the
/// request was about is lost then, pages and addresses that it was about to map included; the rest
/// is as it was.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<O: Observer> SharedBooks<O> {
    pub(super) fn new(books: Books<O>) -> Self {
        Self {
            name: NEXT_NAME.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(Guarded {
                books,
                outside: 0,
                returns: 0,
                last_search: false,
                fronts: Vec::new(),
                of_gone_fronts: Tally::default(),
                are_shut: false,
                ends: 0,
            }),
            returned: Condvar::new(),
        }
    }

    /// The books, as soon as nobody else has them in hand.
    pub(super) fn state(&self) -> MutexGuard<'_, Guarded<O>> {
        lock(&self.state)
    }
}

impl<O: Observer> Guarded<O> {
    /// Somebody came back from the device.
    pub(super) fn come_back(&mut self) {
        self.outside -= 1;
        self.returns += 1;
    }

    /// Gives the books a block that a thread kept.
    pub(super) fn take_in(&mut self, tally: &mut Tally, parcel: Parcel) {
        let counted = self.books.blocks[parcel.at].requested;
        tally.return_to_books(parcel.extent.size(), counted);
        self.books.take_back(parcel.at);
    }

    /// Gives the books all that a thread kept.
    pub(super) fn take_in_all(&mut self, kept: &mut Kept) {
        while let Some(parcel) = kept.front.take_oldest() {
            self.take_in(&mut kept.tally, parcel);
        }
    }

    /// Merges all that waits in any front.
    pub(super) fn clear_fronts(&mut self) {
        for kept in self.fronts.clone() {
            self.take_in_all(&mut lock(&kept));
        }
        self.books.clear_front();
    }
}
