//! Physical memory of the device, and when the allocator held it.

use gapless_units::{Extent, PoolId, StreamId};

use crate::instant::Instant;
use crate::segment::SizePool;
use crate::stacks::StackId;

/// A piece of physical memory that the allocator held for a while: a whole segment, or a range of
/// an expandable segment that was mapped and unmapped as one. Pieces held at the same instant
/// never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its addresses.
    pub extent: Extent,
    /// The stream whose requests it serves.
    pub stream: StreamId,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// Which half of the pool.
    pub size_pool: SizePool,
    /// Whether it is part of an expandable segment.
    pub expandable: bool,
    /// Where in the program it was asked of the device.
    pub stack: StackId,
    /// The first instant it was held.
    pub born: Instant,
    /// The first instant it was not; behind the last instant where it still is.
    pub freed: Instant,
}

impl Mapping {
    /// Whether it was held at `instant`.
    pub fn is_held(&self, instant: Instant) -> bool {
        self.born <= instant && instant < self.freed
    }
}
