//! What must not happen on a device, and did.

use gapless_units::{Addr, Extent, StreamId};

/// Work that touched memory it could not: nothing was touched, and the device is of no use any
/// more, like a GPU after an illegal address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} touches {addr}, where it has no access")]
pub struct Fault {
    /// The stream of the work.
    pub stream: StreamId,
    /// The first address that could not be touched.
    pub addr: Addr,
}

/// A byte that is not what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} finds {found:#04x} at {addr} and expects {expected:#04x}")]
pub struct Mismatch {
    /// The stream of the work that looked.
    pub stream: StreamId,
    /// The first address with a wrong byte.
    pub addr: Addr,
    /// What should be there.
    pub expected: u8,
    /// What is there.
    pub found: u8,
}

/// What must not happen, and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Complaint {
    /// Work had no access.
    #[error(transparent)]
    Fault(Fault),
    /// Data was lost, or never there.
    #[error(transparent)]
    Mismatch(Mismatch),
    /// Addresses were unmapped that work uses which is not done.
    #[error("{} to {} are unmapped while stream {stream} uses {} to {}",
        unmapped.start(), unmapped.end(), used.start(), used.end())]
    UnmappedInUse {
        /// What was unmapped.
        unmapped: Extent,
        /// The stream of the work.
        stream: StreamId,
        /// What the work uses.
        used: Extent,
    },
}
