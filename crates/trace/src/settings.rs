//! The allocator's settings, as far as a recording holds them.

use std::collections::BTreeMap;

use gapless_units::Bytes;

/// The settings in force when the snapshot was taken.
///
/// PyTorch writes most of them decoded (`allocator_settings`); the segment size, the rounding
/// window and the memory fraction stand only in the settings string, where they were set there.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The settings string as it was given, `""` for the defaults.
    pub text: String,
    /// From this size on blocks are never split; `None` is no limit.
    pub max_split_size: Option<Bytes>,
    /// Blocks larger than a request by this much are not given to it, past `max_split_size`;
    /// `None` is the size of a packed large segment.
    pub max_non_split_rounding: Option<Bytes>,
    /// The share of the memory limit past which cached segments are collected; `None` is never.
    pub garbage_collection_threshold: Option<f64>,
    /// Whether segments grow by mapping pages.
    pub expandable_segments: bool,
    /// Divisions between powers of two that requests are rounded to, by the logarithm of their
    /// size in MiB; 0 and 1 round to 512 bytes only.
    pub roundup_power2_divisions: [u64; 16],
    /// The size of a segment that large requests below 10 MiB are packed into, and of a page of
    /// an expandable segment for large requests.
    pub large_segment_size: Bytes,
    /// The share of the device's memory the allocator may take, where set below 1.
    pub memory_fraction: Option<f64>,
    /// Settings without an effect on device memory, or unknown to gapless, as text.
    pub others: BTreeMap<String, String>,
}

impl Default for Settings {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self {
            text: String::new(),
            max_split_size: None,
            max_non_split_rounding: None,
            garbage_collection_threshold: None,
            expandable_segments: false,
            roundup_power2_divisions: [0; 16],
            large_segment_size: Bytes::mib(20),
            memory_fraction: None,
            others: BTreeMap::new(),
        }
    }
}
