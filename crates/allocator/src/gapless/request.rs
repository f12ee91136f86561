//! What a request becomes before anything is looked for.

use gapless_units::Bytes;

/// Blocks begin and end at multiples of this, as PyTorch's do.
const UNIT: Bytes = Bytes::new(512);

/// Requests from this size on fail before anything is looked at.
pub(super) const REQUEST_LIMIT: Bytes = Bytes::new(1 << 46);

/// The size of the block for a request below the limit.
#[inline]
pub(super) fn rounded(requested: Bytes) -> Bytes {
    requested.min(REQUEST_LIMIT).max(Bytes::new(1)).round_up(UNIT)
}
