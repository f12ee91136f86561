//! What a request becomes before anything is looked for.

use gapless_units::Bytes;

/// Blocks begin and end at multiples of two to this power of bytes: 512, as PyTorch's do.
pub(super) const UNIT: u32 = 9;

/// Requests from this size on fail before anything is looked at: half of the addresses that a process has, of
/// 47 bits.
pub(super) const REQUEST_LIMIT: Bytes = Bytes::new(1 << 46);

/// The size of the block for a request below the limit.
#[inline]
pub(super) fn rounded(requested: Bytes) -> Bytes {
    requested.min(REQUEST_LIMIT).max(Bytes::new(1)).round_up(Bytes::new(1 << UNIT))
}
