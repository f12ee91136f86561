//! The ransom: the cheapest live blocks whose release would serve the request in question.

use gapless_trace::{AllocationId, State, Trace};
use gapless_units::Bytes;

use crate::request::Request;

/// How releasing the blocks serves the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RansomKind {
    /// The blocks and the gaps between them become one gap that serves it.
    OneGap,
    /// Whole segments become free and go back to the device, which then grants the request.
    WholeSegments,
}

impl RansomKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneGap => "one_gap",
            Self::WholeSegments => "whole_segments",
        }
    }
}

/// A set of live blocks whose release would serve the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ransom {
    /// How.
    pub kind: RansomKind,
    /// The blocks in the order of addresses.
    pub blocks: Vec<AllocationId>,
    /// Their size together: the price.
    pub price: Bytes,
    /// The free memory the request then has: the gap, or the device's free bytes.
    pub gains: Bytes,
}

impl Ransom {
    /// The cheapest ransom for `request`, or none where no release of blocks would serve it.
    pub fn cheapest(_trace: &Trace, _state: &State, _request: &Request) -> Option<Self> {
        None
    }
}
