//! A page of memory: where it is used, and where it is mapped besides.

use gapless_device::Handle;

use super::names::{ArenaIndex, Frame};

/// Where a page is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Under this frame.
    Home(Frame),
    /// Nowhere; any request may take it.
    Spare,
    /// Nowhere; a request has taken it.
    Underway,
}

/// A page of physical memory.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) handle: Handle,
    pub(super) whereabouts: Whereabouts,
    /// Where it is mapped and not used.
    pub(super) aliases: Vec<Frame>,
    /// Aliases that are being unmapped.
    pub(super) vanishing: u32,
    /// The arena that used it last, and until when on the allocator's clock.
    pub(super) last_use: (ArenaIndex, u64),
}

impl Page {
    pub(super) fn home(&self) -> Option<Frame> {
        match self.whereabouts {
            Whereabouts::Home(frame) => Some(frame),
            Whereabouts::Spare | Whereabouts::Underway => None,
        }
    }
}
