//! What threads did that the books do not count.

use gapless_units::Bytes;

use crate::gapless::counts::{Counts, Elsewhere};

/// What the books do not know of requests and frees: how much more was handed out than they count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    blocks: i64,
    bytes: i64,
    requested: i64,
    /// All that was handed out, modulo 2^64.
    all_blocks: u64,
    all_bytes: u64,
    all_requested: u64,
}

fn signed(size: Bytes) -> i64 {
    i64::try_from(size.get()).unwrap_or(i64::MAX)
}

impl Tally {
    /// A kept block was handed out again.
    pub(super) fn hand_out(&mut self, size: Bytes, requested: Bytes) {
        self.blocks += 1;
        self.bytes += signed(size);
        self.requested += signed(requested);
        self.all_blocks += 1;
        self.all_bytes = self.all_bytes.wrapping_add(size.get());
        self.all_requested = self.all_requested.wrapping_add(requested.get());
    }

    /// A block was given back and kept.
    pub(super) fn take_back(&mut self, size: Bytes, requested: Bytes) {
        self.blocks -= 1;
        self.bytes -= signed(size);
        self.requested -= signed(requested);
    }

    /// The books count what was asked for in a block by now, and not what they counted before.
    pub(super) fn correct(&mut self, counted: Bytes, requested: Bytes) {
        self.requested += signed(counted) - signed(requested);
    }

    /// The books are about to count a block as given back.
    pub(super) fn return_to_books(&mut self, size: Bytes, counted: Bytes) {
        self.blocks += 1;
        self.bytes += signed(size);
        self.requested += signed(counted);
    }

    /// Adds another tally. What one thread handed out another may have taken back, so only the sum of
    /// all tallies is what happened.
    pub(super) fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
        self.requested += other.requested;
        self.all_blocks = self.all_blocks.wrapping_add(other.all_blocks);
        self.all_bytes = self.all_bytes.wrapping_add(other.all_bytes);
        self.all_requested = self.all_requested.wrapping_add(other.all_requested);
    }

    /// Adds what the books do not know to what they count. All of it is in the small pool.
    pub(super) fn add_to(&self, counts: &mut Counts) {
        counts.adjust(
            Elsewhere { more: self.blocks, all: self.all_blocks },
            Elsewhere { more: self.bytes, all: self.all_bytes },
            Elsewhere { more: self.requested, all: self.all_requested },
        );
    }
}
