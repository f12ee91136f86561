//! From a recording to a trace: what was alive when, in which block, on which memory.

mod tally;

mod admit;
mod block_sizes;
mod coverage;
mod lifetimes;
mod mappings;

pub(crate) use admit::{admit, total_bytes};
pub(crate) use block_sizes::settle_block_sizes;
pub(crate) use coverage::coverage;
pub(crate) use lifetimes::{Lifetimes, undo_allocations};
pub(crate) use mappings::undo_mappings;
