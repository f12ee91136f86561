//! What an allocator tells of itself, as it happens.

use gapless_trace::{Action, Event, Events, LabelId, StackId, Stacks};
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

impl Happening {
    /// It as an event of a trace, at this time and with this stack and label.
    pub fn event(self, time: Micros, stack: StackId, label: LabelId) -> Event {
        let Self { action, addr, size, stream, pool } = self;
        Event { action, addr, size, stream, pool: Some(pool), time, stack, label }
    }
}

/// Is told what an allocator does, in the middle of doing it: one that panics leaves the allocator's
/// books half written.
pub trait Observer {
    /// Whether anybody listens. Where nobody does, threads serve themselves without telling.
    const LISTENS: bool = true;

    /// Something happened.
    fn observe(&mut self, happening: Happening);

    /// All that happened, where it was written down.
    fn events(&self) -> Option<&Events> {
        None
    }

    /// The stacks and labels that the events name.
    fn stacks(&self) -> Option<&Stacks> {
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

    fn stacks(&self) -> Option<&Stacks> {
        (**self).stacks()
    }
}

/// Writes a trace of what the allocator does.
///
/// The allocator knows no stacks, labels or times: whoever drives it sets those of the request at
/// hand. What is written is kept, so a program that runs for long forgets it now and then
/// ([`Recorder::forget`]).
///
/// ```
/// use gapless_allocator::{GaplessAllocator, Recorder, Slack};
/// use gapless_device::{Sim, SimSetup};
/// use gapless_units::{Bytes, StreamId};
///
/// let device = Sim::new(SimSetup::new(Bytes::mib(64)));
/// let mut allocator = GaplessAllocator::new(device, Slack::DEFAULT, Recorder::default());
/// let recorder = allocator.observer_mut();
/// let line = recorder.stacks.frame("model.rs", 7, "forward");
/// recorder.stack = recorder.stacks.stack(&[line]);
/// let block = allocator.allocate(Bytes::mib(4), StreamId::DEFAULT)?;
/// # let told = allocator.recording();
/// # let stack = told.devices[0].events.get(0).stack;
/// # assert_eq!(told.stacks.frames(stack).next().unwrap().function, "forward");
/// # Ok::<(), gapless_allocator::AllocationError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// What happened so far.
    pub events: Events,
    /// The stacks and labels that the events name.
    pub stacks: Stacks,
    /// The stack to write beside what happens next, one of [`Recorder::stacks`]; a number
    /// that is not there is written as none.
    pub stack: StackId,
    /// The label to write beside what happens next, likewise.
    pub label: LabelId,
    /// The time to write beside what happens next.
    pub time: Micros,
}

impl Recorder {
    /// Forgets what happened so far, and keeps stacks and labels, which what comes next names. Blocks
    /// that are in use have no stack from then on.
    pub fn forget(&mut self) {
        self.events = Events::default();
    }
}

impl Observer for Recorder {
    fn observe(&mut self, happening: Happening) {
        let stack = if self.stacks.has_stack(self.stack) { self.stack } else { StackId::NONE };
        let label = if self.stacks.has_label(self.label) { self.label } else { LabelId::EMPTY };
        self.events.push(happening.event(self.time, stack, label));
    }

    fn events(&self) -> Option<&Events> {
        Some(&self.events)
    }

    fn stacks(&self) -> Option<&Stacks> {
        Some(&self.stacks)
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::{Addr, Bytes};

    use super::*;

    #[test]
    fn what_another_table_names_is_not_written() {
        let mut others = Stacks::default();
        let line = others.frame("model.rs", 7, "forward");
        let (stack, label) = (others.stack(&[line]), others.label("step 1"));
        let mut recorder = Recorder { stack, label, ..Recorder::default() };
        let happening = Happening {
            action: Action::Alloc,
            addr: Addr::new(0),
            size: Bytes::new(512),
            stream: StreamId(0),
            pool: PoolId::DEFAULT,
        };
        recorder.observe(happening);
        recorder.stacks = others;
        recorder.observe(happening);
        let written = [0, 1].map(|at| recorder.events.get(at)).map(|it| (it.stack, it.label));
        assert_eq!(written, [(StackId::NONE, LabelId::EMPTY), (stack, label)]);
    }
}
