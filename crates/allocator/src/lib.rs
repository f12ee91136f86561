//! Allocators, generic over the device they take memory from.
//!
//! [`CachingAllocator`] is PyTorch's: every placement, segment, release and retry by its rules,
//! under any settings and by the rules of any release from 2.0 on. It is a real allocator; the
//! simulation is this code over a simulated device.
//!
//! [`GaplessAllocator`] is ours: it moves pages that lie free to where they are needed, so that
//! free memory is never tied to a gap; [`SharedAllocator`] is the same for several threads.
//! [`Allocator`] is what all of them can be asked.
//!
//! What an allocator does it tells an [`Observer`], in the words of a trace.

mod failure;
mod observer;
mod statistics;
mod usage;
mod ordered;
mod allocator;

pub mod caching;
mod gapless;
pub mod baselines;

pub use allocator::Allocator;
pub use caching::{CachingAllocator, Rules};
pub use failure::{AllocationError, FreeError, Shortage};
pub use gapless::shared::{Block as SharedBlock, NotFreed, SharedAllocator, ThreadFront};
pub use gapless::{BlockId, BrokenInvariant, GaplessAllocator, PageSize, Slack};
pub use observer::{Happening, Observer, Recorder};
pub use statistics::{Change, Statistic, Statistics};
pub use usage::Usage;
