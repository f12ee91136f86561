//! What differs between settings and between releases.

use gapless_trace::{Release, Reserve, Settings, SizeRules};
use gapless_units::{Bytes, DeviceId};

/// Which of two free blocks of one size on one stream is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreak {
    /// The one at the lower address: releases up to 2.12.
    Address,
    /// The one in the older segment, then the one at the lower address: from 2.13 on.
    OldestSegment,
}

/// The rules of one release under one set of settings.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Rounding, pools, segments and the split limit.
    pub sizes: SizeRules,
    /// The tie-break among free blocks of one size.
    pub tie_break: TieBreak,
    /// Whether segments grow by mapping pages.
    pub expandable: bool,
    /// From this size on blocks are kept whole.
    pub max_split_size: Option<Bytes>,
    /// The share of the limit past which whole free segments are collected; 0 is never.
    pub garbage_collection_threshold: f64,
    /// Whether a request that would pass the whole device is rejected before the device is asked.
    pub throw_on_oom: bool,
    /// The share of the device the allocator may reserve, as its settings say.
    pub memory_fraction: f64,
    /// The release whose rules these are.
    pub release: Release,
    /// What of the addresses an expandable segment may take, where less than 9/8 of the device.
    pub reserve: Option<Reserve>,
}

impl Rules {
    /// The newest release whose rules are known.
    pub const NEWEST: Release = Release::new(2, 15);

    /// The rules of `release` under `settings`. Releases past the newest known follow its rules.
    ///
    /// Source: `c10/cuda/CUDACachingAllocator.cpp` of the releases, and its pull requests 182929,
    /// 183489 and 183591 (tie-break) and 178362.
    pub fn new(settings: &Settings, release: Release) -> Self {
        let oldest_segment = Release::new(2, 13) <= release;
        Self {
            sizes: SizeRules::new(settings),
            tie_break: if oldest_segment { TieBreak::OldestSegment } else { TieBreak::Address },
            expandable: settings.expandable_segments,
            max_split_size: settings.max_split_size,
            garbage_collection_threshold: settings.garbage_collection_threshold.unwrap_or(0.0),
            throw_on_oom: settings.throw_on_oom,
            memory_fraction: settings.memory_fraction.unwrap_or(1.0),
            release,
            reserve: settings.expandable_segments_reserve,
        }
    }

    /// Whether a block or segment of this size is kept whole by the split limit.
    pub(super) fn is_oversize(&self, size: Bytes) -> bool {
        self.max_split_size.is_some_and(|limit| limit <= size)
    }

    /// Whether a pool that lends on a failure is asked before the cache is given back.
    pub(super) fn pools_may_lend(&self) -> bool {
        Release::new(2, 9) <= self.release
    }

    /// Whether a share of all of the device is a limit too.
    pub(super) fn whole_device_is_a_limit(&self) -> bool {
        self.release < Release::new(2, 9)
    }

    /// The device whose ordinal goes into the hash of a stream; one allocator has one device.
    pub(super) const DEVICE: DeviceId = DeviceId(0);
}

/// A share of a size as PyTorch computes it: in doubles, cut to whole bytes.
pub(super) fn share(fraction: f64, of: Bytes) -> Bytes {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cut is the rule; shares are not negative and the cast saturates"
    )]
    Bytes::new((fraction * of.get() as f64) as u64)
}
