//! Points between events.

use std::fmt;

/// A point between two events, counted in events: instant `n` is after the first `n` events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u32);

impl Instant {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// Right after the event at `index`, or the last instant that 32 bits can name.
    pub fn after(index: usize) -> Self {
        Self(u32::try_from(index.saturating_add(1)).unwrap_or(u32::MAX))
    }

    /// How many events came before.
    pub fn events(self) -> usize {
        self.0 as usize
    }

    /// The event this instant is right after; none at the start.
    pub fn event(self) -> Option<usize> {
        self.events().checked_sub(1)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event() {
            Some(event) => write!(out, "event {event}"),
            None => write!(out, "the start"),
        }
    }
}
