//! A page of memory: where it is used, and where it is mapped besides.

use gapless_device::Handle;

use super::names::{ArenaIndex, Slot};
use super::time::Time;

/// Where a page is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Under this slot.
    Home(Slot),
    /// Nowhere; any request may take it.
    Spare,
    /// Nowhere; a request has taken it.
    Underway,
}

/// A page of physical memory.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) handle: Handle,
    pub(super) whereabouts: Whereabouts,
    /// Where it is mapped and not used.
    pub(super) aliases: Vec<Slot>,
    /// Aliases that are being unmapped.
    pub(super) vanishing: u32,
    /// The arena that used it last, and until when.
    pub(super) last_use: (ArenaIndex, Time),
}

impl Page {
    pub(super) fn home(&self) -> Option<Slot> {
        match self.whereabouts {
            Whereabouts::Home(slot) => Some(slot),
            Whereabouts::Spare | Whereabouts::Underway => None,
        }
    }
}
