//! What an allocator tells of itself, as it happens.

use gapless_trace::{Action, Event, Events, LabelId, StackId};
use gapless_units::{Addr, Bytes, Micros, PoolId, StreamId};

/// One thing an allocator did, with the fields of a trace's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What it did.
    pub action: Action,
    /// The block or segment; the device's free bytes for [`Action::OutOfMemory`].
    pub addr: Addr,
    /// The size; requested bytes for blocks, rounded ones for [`Action::OutOfMemory`].
    pub size: Bytes,
    /// The stream.
    pub stream: StreamId,
    /// The pool.
    pub pool: PoolId,
}

/// Is told what an allocator does.
pub trait Observer {
    /// Whether anybody listens. Where nobody does, threads serve themselves without telling.
    const LISTENS: bool = true;

    /// Something happened.
    fn observe(&mut self, happening: Happening);

    /// All that happened, where it was written down.
    fn events(&self) -> Option<&Events> {
        None
    }
}

/// Nobody listens.
impl Observer for () {
    const LISTENS: bool = false;

    fn observe(&mut self, _: Happening) {}
}

impl<O: Observer> Observer for &mut O {
    const LISTENS: bool = O::LISTENS;

    fn observe(&mut self, happening: Happening) {
        (**self).observe(happening);
    }

    fn events(&self) -> Option<&Events> {
        (**self).events()
    }
}

/// Writes a trace of what the allocator does.
///
/// The allocator knows no stacks, labels or times: whoever drives it sets those of the request at
/// hand.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// What happened so far.
    pub events: Events,
    /// The stack to write beside what happens next.
    pub stack: StackId,
    /// The label to write beside what happens next.
    pub label: LabelId,
    /// The time to write beside what happens next.
    pub time: Micros,
}

impl Observer for Recorder {
    fn observe(&mut self, happening: Happening) {
        let Happening { action, addr, size, stream, pool } = happening;
        let pool = Some(pool);
        let (time, stack, label) = (self.time, self.stack, self.label);
        self.events.push(Event { action, addr, size, stream, pool, time, stack, label });
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.events)
    }
}
