//! What is compared of an event, and of what an allocator does.

use gapless_allocator::{Happening, Observer};
use gapless_trace::{Action, Event};
use gapless_units::{Addr, Bytes};

use crate::program::Program;
use crate::run::Watcher;

/// What can be compared of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What happened.
    pub action: Action,
    /// Where.
    pub addr: Addr,
    /// The size.
    pub size: Bytes,
}

impl Sight {
    /// The free bytes of the device, which stand in a failure's address, cannot be compared.
    fn new(action: Action, addr: Addr, size: Bytes) -> Self {
        let addr = if action == Action::OutOfMemory { Addr::default() } else { addr };
        Self { action, addr, size }
    }

    pub(super) fn of(event: &Event) -> Option<Self> {
        let compared = matches!(
            event.action,
            Action::Alloc
                | Action::FreeRequested
                | Action::FreeCompleted
                | Action::OutOfMemory
                | Action::SegmentAlloc
                | Action::SegmentFree
                | Action::SegmentMap
                | Action::SegmentUnmap
        );
        compared.then(|| Self::new(event.action, event.addr, event.size))
    }

    pub(super) fn is_of_segment(&self) -> bool {
        matches!(
            self.action,
            Action::SegmentAlloc | Action::SegmentFree | Action::SegmentMap | Action::SegmentUnmap
        )
    }
}

/// Notes what the allocator does during one call.
#[derive(Debug, Default)]
pub(super) struct Witness(pub(super) Vec<Sight>);

impl Observer for Witness {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, .. } = happening;
        self.0.push(Sight::new(action, addr, size));
    }
}

impl Watcher for Witness {
    fn next_operation(&mut self, _: &Program, _: usize) {}
}
