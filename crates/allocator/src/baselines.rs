//! Six allocators to measure ours against, each from the rules of its authors.
//!
//! ```text
//!   Baseline ──► a policy            gmlake · page_steal · bfc · tlsf · stream_pool · rmm_arena
//!      │            │  blocks, segments, reservations, memory that moves
//!      └────────────┴──► Holdings ──► device
//! ```
//!
//! A policy is where a request goes and what becomes of blocks that come back; its file says what it
//! costs, where it is from and what it leaves out. What all do alike stands once: [`Baseline`].
//!
//! Rules of safety that all of them keep, each held by a test:
//!
//! 1. Bytes change streams only after an event of the stream that used them last.
//! 2. Addresses are unmapped only after the work that used them.
//! 3. No byte of memory is handed out twice, whatever addresses it has.
//! 4. The memory of a private pool serves no other, and stays until the pool ends.
//! 5. Each call of the device may fail; what was taken is used later or given back.
//!
//! PyTorch's allocator, with and without expandable segments, is [`crate::caching`].

mod names;
mod stamp;
mod progress;
mod holdings;
mod mapping;
mod reservations;
mod blocks;
mod cut_segments;
mod two_levels;
mod first_fit;
mod superblocks;
mod slots;
mod policy;
mod small_blocks;
mod space;
mod stitched;
mod primitives;
mod held;
mod deferred;
mod baseline;

pub mod gmlake;
pub mod page_steal;
pub mod bfc;
pub mod tlsf;
pub mod stream_pool;
pub mod rmm_arena;

pub use baseline::{Baseline, BrokenInvariant};
pub use bfc::{Bfc, BfcSettings};
pub use gmlake::{GmLake, GmLakeSettings, StitchCounts};
pub use holdings::{Holdings, Owner};
pub use names::{BlockId, BlockIndex};
pub use page_steal::{PageSteal, PageStealSettings};
pub use policy::{Policy, Refusal, Request};
pub use rmm_arena::{RmmArena, RmmArenaSettings};
pub use stamp::Stamp;
pub use stream_pool::{StreamPool, StreamPoolSettings};
pub use tlsf::{Tlsf, TlsfSettings};
