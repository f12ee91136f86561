//! Programs that repeat themselves, for tests.

use gapless_units::{Bytes, KIB, MIB};

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

/// A request of a turn: its size, and after how many requests its block is freed.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) size: Bytes,
    pub(super) life: usize,
}

/// A turn of so many requests; some blocks live into the next turn, a few into the one after.
pub(super) fn turn(numbers: &mut Numbers, length: usize) -> Vec<Asked> {
    let request = |_| {
        let size = match numbers.below(8) {
            0..3 => 1 + numbers.below(64 * KIB),
            3..5 => MIB + numbers.below(3 * MIB),
            5 | 6 => 2 * MIB * (1 + numbers.below(4)),
            _ => 1 + numbers.below(20 * MIB),
        };
        let longest = match numbers.below(20) {
            0 => 2 * length as u64,
            1..3 => length as u64,
            _ => 12,
        };
        let life = usize::try_from(1 + numbers.below(longest)).unwrap_or(1);
        Asked { size: Bytes::new(size), life }
    };
    (0..length).map(request).collect()
}
