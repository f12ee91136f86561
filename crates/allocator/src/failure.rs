//! Why an allocator did not do what it was asked.

use gapless_device::DeviceError;
use gapless_units::Bytes;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// Neither the cache nor the device had it, and nothing that could be given back made room.
    #[error(
        "out of memory: {requested} asked for, {tried} needed of the device, which has \
         {device_free} left{}{}", limit_words(.limit.as_ref()), .shortage.words()
    )]
    OutOfMemory {
        /// What the program asked for.
        requested: Bytes,
        /// The block it would have been.
        rounded: Bytes,
        /// What was asked of the device; of an allocator that moves pages, what the device would have
        /// to have left.
        tried: Bytes,
        /// What the device has left.
        device_free: Bytes,
        /// The most the allocator may reserve, where there is a limit.
        limit: Option<Bytes>,
        /// What it was short of.
        shortage: Shortage,
    },
    /// The allocator would have passed the whole device's size and was told to fail then
    /// (`throw_on_cudamalloc_oom`).
    #[error("rejected: {requested} more would pass the {allowed} the allocator may reserve")]
    Rejected {
        /// What the program asked for.
        requested: Bytes,
        /// What it may reserve.
        allowed: Bytes,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(#[from] DeviceError),
}

impl AllocationError {
    /// How many bytes more the device would have to have left, where memory ran out and giving
    /// blocks back helps.
    pub fn missing(&self) -> Option<Bytes> {
        match self {
            Self::OutOfMemory { tried, device_free, shortage: Shortage::Memory, .. } => {
                Some(tried.saturating_sub(*device_free))
            }
            Self::OutOfMemory { .. } | Self::Rejected { .. } | Self::Device(_) => None,
        }
    }
}

/// What a request was short of that ran out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shortage {
    /// Memory: with enough blocks given back it would be served.
    Memory,
    /// The device: it never has so much.
    Device,
    /// Leave to move pages and to wait, which there is none while a graph is captured: what lies free
    /// may serve it as soon as that is over.
    Capture,
}

impl Shortage {
    fn words(self) -> &'static str {
        match self {
            Self::Memory => "",
            Self::Device => "; it never has so much",
            Self::Capture => "; nothing moves and nothing is waited for while a graph is captured",
        }
    }
}

fn limit_words(limit: Option<&Bytes>) -> String {
    limit.map(|limit| format!("; {limit} allowed")).unwrap_or_default()
}

/// Why a block could not be given back or used on another stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FreeError {
    /// The block was given back before, or never came from this allocator. A
    /// [`GaplessAllocator`](crate::GaplessAllocator) knows its blocks by a number of 32 bits, which
    /// tells those of others apart but for a rare chance.
    #[error("the block is not allocated")]
    NotAllocated,
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(#[from] DeviceError),
}
