//! One block in the program's hands, from birth to death.

use gapless_units::{Addr, Bytes, Extent, StreamId};

use crate::instant::Instant;
use crate::stacks::StackId;

/// An allocation of a trace: its position in `Trace::allocations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub u32);

impl AllocationId {
    /// The position.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A block in the program's hands. Alive at `born`, not alive at `freed`.
///
/// ```text
///   born ───────── held ───────── let_go ──── pending ──── freed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its first byte.
    pub addr: Addr,
    /// What the program asked for.
    pub requested: Bytes,
    /// The size of the block: the request after rounding, with the slack of an unsplit block.
    pub size: Bytes,
    /// The stream it was allocated on.
    pub stream: StreamId,
    /// Where in the program it was allocated.
    pub stack: StackId,
    /// The first instant it exists; [`Instant::START`] for one older than the recording.
    pub born: Instant,
    /// The first instant the program no longer holds it.
    pub let_go: Instant,
    /// The first instant its block is free again; behind the last instant where it still lives.
    pub freed: Instant,
}

impl Allocation {
    /// The addresses of its block.
    pub fn extent(&self) -> Extent {
        Extent::between(self.addr, Addr::new(self.addr.get().saturating_add(self.size.get())))
    }

    /// Whether the block is not free at `instant`, held or pending.
    pub fn is_active(&self, instant: Instant) -> bool {
        self.born <= instant && instant < self.freed
    }

    /// Whether the program has let go of it at `instant` while another stream may still use it.
    pub fn is_pending(&self, instant: Instant) -> bool {
        self.let_go <= instant && instant < self.freed
    }
}

/// For each event the allocation it is about.
#[derive(Clone, Debug)]
pub(crate) struct Subjects(Vec<u32>);

impl Subjects {
    /// Stands for no allocation where a number is needed.
    pub(crate) const NOBODY: u32 = u32::MAX;

    /// The positions of the allocations, event by event.
    pub(crate) fn new(positions: Vec<u32>) -> Self {
        Self(positions)
    }

    /// The allocation that `event` is about.
    pub(crate) fn get(&self, event: usize) -> Option<AllocationId> {
        let id = self.0[event];
        (id != Self::NOBODY).then_some(AllocationId(id))
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
