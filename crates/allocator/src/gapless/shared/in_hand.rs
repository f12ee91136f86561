//! Shared books, and one thread that has them in hand beside its device.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use gapless_device::Device;

use super::kept::{Kept, Parcel, Tally};
use crate::gapless::books::Books;
use crate::gapless::hold::Hold;
use crate::gapless::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::observer::Observer;

/// The name of the next books.
static NEXT_NAME: AtomicU64 = AtomicU64::new(0);

/// Books that several threads use, one at a time.
pub(super) struct SharedBooks<O> {
    /// So that no block goes to an allocator it is not from.
    pub(super) name: u64,
    state: Mutex<State<O>>,
    /// Somebody came back from the device.
    returned: Condvar,
}

/// The books, and who uses them.
pub(super) struct State<O> {
    pub(super) books: Books<O>,
    /// How many threads call the device at this moment.
    outside: u32,
    /// How often one came back.
    returns: u64,
    /// Whether a request searches a last time before it fails. One does at a time: two would see
    /// each other take and put back the same pages for ever.
    last_search: bool,
    pub(super) fronts: Vec<Arc<Mutex<Kept>>>,
    /// What the books do not know of what happened in fronts that were dropped.
    pub(super) of_gone_fronts: Tally,
    /// Whether everything goes through the books, because somebody listens.
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
            state: Mutex::new(State {
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
    pub(super) fn state(&self) -> MutexGuard<'_, State<O>> {
        lock(&self.state)
    }
}

impl<O> State<O> {
    fn come_back(&mut self) {
        self.outside -= 1;
        self.returns += 1;
    }
}

/// Comes back for a thread that the device panicked on, for which others would wait for ever.
struct WayBack<'a, O: Observer> {
    books: &'a SharedBooks<O>,
    is_taken: bool,
}

impl<O: Observer> Drop for WayBack<'_, O> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.books.state().come_back();
            self.books.returned.notify_all();
        }
    }
}

impl<O: Observer> State<O> {
    /// Gives the books a block that a thread kept.
    pub(super) fn take_in(&mut self, tally: &mut Tally, parcel: Parcel) {
        let counted = self.books.blocks[parcel.at].requested;
        tally.return_to_books(parcel.extent.size(), counted);
        self.books.take_back(parcel.at);
    }

    /// Merges all that waits in any front.
    pub(super) fn clear_fronts(&mut self) {
        for kept in self.fronts.clone() {
            let mut kept = lock(&kept);
            let Kept { front, tally, .. } = &mut *kept;
            while let Some(parcel) = front.take_oldest() {
                self.take_in(tally, parcel);
            }
        }
        self.books.clear_front();
    }
}

/// The shared books in one hand, the device in the other.
pub(super) struct InHand<'a, D, O: Observer> {
    books: &'a SharedBooks<O>,
    /// None while the device is called.
    state: Option<MutexGuard<'a, State<O>>>,
    device: &'a mut D,
    /// How often this thread came back from the device.
    returns: u64,
    /// Whether this thread waited for others.
    has_waited: bool,
    /// While this thread searches a last time.
    last_search: Option<LastSearch>,
}

/// A search after which a request fails, unless others did something meanwhile.
#[derive(Clone, Copy, Debug)]
struct LastSearch {
    /// What others had done when it began.
    deeds: Deeds,
    /// How often it is made again. Each of the others may have had pages in hand that it did not use in
    /// the end; but they go on for ever, and a request that cannot be met has to fail.
    left: usize,
}

/// What may have freed something: how often others came back from the device, and all frees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deeds {
    returns: u64,
    frees: u64,
}

impl<'a, D, O: Observer> InHand<'a, D, O> {
    pub(super) fn new(books: &'a SharedBooks<O>, device: &'a mut D) -> Self {
        Self { books, state: None, device, returns: 0, has_waited: false, last_search: None }
    }

    fn state(&mut self) -> &mut State<O> {
        self.state.get_or_insert_with(|| self.books.state())
    }

    /// How many pools and streams are over.
    pub(super) fn ends(&mut self) -> u64 {
        self.state().ends
    }

    /// Shuts the threads' fronts while somebody listens to what the program asks for, and opens them
    /// again.
    pub(super) fn shut_or_open_fronts(&mut self) {
        let state = self.state();
        let is_listened_to = state.books.attention.is_paid();
        if state.are_shut == is_listened_to {
            return;
        }
        state.are_shut = is_listened_to;
        for kept in &state.fronts {
            lock(kept).is_shut = is_listened_to;
        }
        if is_listened_to {
            state.clear_fronts();
        }
    }

    /// Waits for somebody to come back or to end a search, as long as something is so.
    fn wait_while(&mut self, is_so: impl Fn(&State<O>) -> bool) {
        self.state();
        while let Some(state) = self.state.take_if(|state| is_so(state)) {
            let state = self.books.returned.wait(state);
            self.state = Some(state.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn deeds(&mut self) -> Deeds {
        let own = self.returns;
        let state = self.state();
        Deeds { returns: state.returns - own, frees: state.books.clock }
    }
}

impl<D: Device, O: Observer> Hold for InHand<'_, D, O> {
    type Device = D;
    type Observer = O;

    fn parts(&mut self) -> (&mut Books<O>, &mut D) {
        let state = self.state.get_or_insert_with(|| self.books.state());
        (&mut state.books, self.device)
    }

    fn outside<T>(&mut self, call: impl FnOnce(&mut D) -> T) -> T {
        self.state().outside += 1;
        self.state = None;
        let mut way_back = WayBack { books: self.books, is_taken: false };
        // Others may have the books between their leaving the hand and the call of the device. The
        // model checker tries that where it sees a lock there.
        #[cfg(loom)]
        drop(self.books.state());
        let answer = call(self.device);
        way_back.is_taken = true;
        self.state().come_back();
        self.returns += 1;
        self.books.returned.notify_all();
        answer
    }

    fn note_end(&mut self) {
        let state = self.state();
        state.ends += 1;
        for kept in &state.fronts {
            lock(kept).ends = state.ends;
        }
    }

    fn wait_for_return(&mut self) -> bool {
        if self.state().outside == 0 {
            return false;
        }
        let returns = self.state().returns;
        self.wait_while(|state| state.returns == returns);
        true
    }

    fn wait_for_others(&mut self) -> bool {
        // Who waits for work has nothing in hand, and may be away for long: what it waits for is there to be
        // waited for by others.
        let state = self.state();
        if state.outside as usize <= state.books.waiting() || self.has_waited {
            return false;
        }
        self.has_waited = self.wait_for_return();
        self.has_waited
    }

    fn may_search_again(&mut self) -> bool {
        let Some(LastSearch { deeds, left }) = self.last_search else {
            self.wait_while(|state| state.last_search);
            self.state().last_search = true;
            let left = self.state().fronts.len() + self.state().outside as usize;
            self.last_search = Some(LastSearch { deeds: self.deeds(), left });
            return true;
        };
        let Some(left) = left.checked_sub(1) else { return false };
        let has_changed = self.deeds() != deeds || self.wait_for_return();
        self.last_search = Some(LastSearch { deeds: self.deeds(), left });
        has_changed
    }

    fn let_others_search(&mut self) {
        self.wait_while(|state| state.last_search);
    }

    fn clear_fronts(&mut self) {
        self.state().clear_fronts();
    }
}

impl<D, O: Observer> Drop for InHand<'_, D, O> {
    fn drop(&mut self) {
        if self.last_search.is_some() {
            self.state().last_search = false;
            self.books.returned.notify_all();
        }
    }
}
