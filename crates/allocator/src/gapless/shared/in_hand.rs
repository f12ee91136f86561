//! One thread that has shared books in hand, beside its device.

use std::sync::PoisonError;

use gapless_device::Device;

use super::shared_books::{Guarded, SharedBooks, lock};
use crate::gapless::books::Books;
use crate::gapless::hold::Hold;
use crate::gapless::sync::MutexGuard;
use crate::gapless::time::Time;
use crate::observer::Observer;

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

/// The shared books in one hand, the device in the other.
pub(super) struct InHand<'a, D, O: Observer> {
    books: &'a SharedBooks<O>,
    /// None while the device is called.
    state: Option<MutexGuard<'a, Guarded<O>>>,
    device: &'a mut D,
    /// How often this thread came back from the device.
    returns: u64,
    /// Whether this thread waited for others.
    has_waited: bool,
    /// Whether it waited for the device.
    has_stalled: bool,
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

/// What may have freed something: how often others came back from the device, and the time of the
/// books, which goes on with each free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deeds {
    returns: u64,
    time: Time,
}

impl<'a, D, O: Observer> InHand<'a, D, O> {
    pub(super) fn new(books: &'a SharedBooks<O>, device: &'a mut D) -> Self {
        Self {
            books,
            state: None,
            device,
            returns: 0,
            has_waited: false,
            has_stalled: false,
            last_search: None,
        }
    }

    fn state(&mut self) -> &mut Guarded<O> {
        self.state.get_or_insert_with(|| self.books.state())
    }

    /// How many pools and streams are over.
    pub(super) fn ends(&mut self) -> u64 {
        self.state().ends
    }

    /// Shuts the threads' fronts while requests are watched, and opens them again.
    pub(super) fn shut_or_open_fronts(&mut self) {
        let state = self.state();
        let is_watched = state.books.watch.is_on();
        if state.are_shut == is_watched {
            return;
        }
        state.are_shut = is_watched;
        for kept in &state.fronts {
            lock(kept).is_shut = is_watched;
        }
        if is_watched {
            state.clear_fronts();
        }
    }

    /// Waits for somebody to come back or to end a search, as long as something is so.
    fn wait_while(&mut self, is_so: impl Fn(&Guarded<O>) -> bool) {
        self.state();
        while let Some(state) = self.state.take_if(|state| is_so(state)) {
            let state = self.books.returned.wait(state);
            self.state = Some(state.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn deeds(&mut self) -> Deeds {
        let own = self.returns;
        let state = self.state();
        Deeds { returns: state.returns - own, time: state.books.clock }
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

    fn note_stall(&mut self) {
        if !std::mem::replace(&mut self.has_stalled, true) {
            self.state().books.stalls += 1;
        }
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
