//! PyTorch's rules for sizes: how a request becomes a block and a segment.
//!
//! Source: `c10/core/AllocatorConfig.h` and `c10/cuda/CUDACachingAllocator.cpp`, releases 2.0 to
//! 2.15, whose size rules differ only in what settings exist.

use gapless_units::{Bytes, MIB};

use crate::segment::SizePool;
use crate::settings::Settings;

/// The unit of all block sizes.
const MIN_BLOCK: u64 = 512;
/// The largest rounded size served from the small pool.
const SMALL_REQUEST: u64 = MIB;
/// The size of a segment of the small pool, and of a page of an expandable one.
const SMALL_SEGMENT: u64 = 2 * MIB;
/// From this rounded size on a request gets a segment of its own size.
const OWN_SEGMENT: u64 = 10 * MIB;
/// What such a segment's size is a multiple of.
const SEGMENT_UNIT: u64 = 2 * MIB;
/// The allocator refuses requests from this size on before it looks anywhere.
const REQUEST_LIMIT: u64 = 1 << 60;

/// The size rules under given settings.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeRules {
    divisions: [u64; 16],
    max_split: u64,
    max_non_split_rounding: u64,
    large_segment: u64,
    /// The one size of all pages, of other allocators than PyTorch's.
    page: Option<u64>,
    expandable: bool,
}

impl SizeRules {
    /// The rules under `settings`.
    pub fn new(settings: &Settings) -> Self {
        let large_segment = settings.large_segment_size.get().clamp(MIB, REQUEST_LIMIT);
        let page = settings.page_size.map(|page| page.get().clamp(MIN_BLOCK, REQUEST_LIMIT));
        Self {
            divisions: settings.roundup_power2_divisions,
            max_split: settings.max_split_size.map_or(u64::MAX, Bytes::get),
            max_non_split_rounding: settings
                .max_non_split_rounding
                .map_or(large_segment, Bytes::get)
                .min(REQUEST_LIMIT),
            large_segment,
            page,
            expandable: settings.expandable_segments,
        }
    }

    /// The size of the block a request is served with, before the slack of an unsplit block.
    ///
    /// A multiple of 512 bytes; requests that are large against their divisions round up to the
    /// next division between powers of two. Requests past 2^60 bytes count as 2^60.
    #[must_use]
    pub fn round(&self, request: Bytes) -> Bytes {
        let request = request.get().min(REQUEST_LIMIT);
        if request < MIN_BLOCK {
            return Bytes::new(MIN_BLOCK);
        }
        let interval = request.ilog2().saturating_sub(MIB.ilog2()).min(15) as usize;
        let divisions = self.divisions[interval];
        if divisions > 1 && MIN_BLOCK.saturating_mul(divisions) < request {
            Bytes::new(next_division(request, divisions))
        } else {
            Bytes::new(request.next_multiple_of(MIN_BLOCK))
        }
    }

    /// The pool that serves a block of this rounded size. Where all pages are of one size there is one.
    pub fn size_pool(&self, rounded: Bytes) -> SizePool {
        let is_small = self.page.is_none() && rounded.get() <= SMALL_REQUEST;
        if is_small { SizePool::Small } else { SizePool::Large }
    }

    /// What is asked of the device for a block of this rounded size that no free block can serve.
    #[must_use]
    pub fn segment_size(&self, rounded: Bytes) -> Bytes {
        let rounded = rounded.get();
        Bytes::new(if let Some(page) = self.page {
            rounded.min(REQUEST_LIMIT).next_multiple_of(page)
        } else if rounded <= SMALL_REQUEST {
            SMALL_SEGMENT
        } else if rounded < OWN_SEGMENT {
            self.large_segment
        } else {
            rounded.min(REQUEST_LIMIT).next_multiple_of(SEGMENT_UNIT)
        })
    }

    /// The page an expandable segment of this pool grows by.
    pub fn page(&self, pool: SizePool) -> Bytes {
        let of_pool = match pool {
            SizePool::Small => SMALL_SEGMENT,
            SizePool::Large => self.large_segment,
        };
        Bytes::new(self.page.unwrap_or(of_pool))
    }

    /// Whether a free block of `available` bytes is cut when it serves `rounded` bytes.
    pub fn splits(&self, pool: SizePool, rounded: Bytes, available: Bytes) -> bool {
        let rest = available.saturating_sub(rounded).get();
        if self.expandable || pool == SizePool::Small {
            rest >= MIN_BLOCK
        } else {
            rounded.get() < self.max_split && rest > SMALL_REQUEST
        }
    }

    /// The most that a block can be larger than the rounded request it serves, in a segment that
    /// does not expand.
    pub fn largest_slack(&self, pool: SizePool) -> Bytes {
        if self.expandable || pool == SizePool::Small {
            Bytes::ZERO
        } else {
            Bytes::new(SMALL_REQUEST)
        }
    }

    /// Whether the split limit lets a free block of `available` bytes serve `rounded` bytes.
    pub fn may_serve(&self, rounded: Bytes, available: Bytes) -> bool {
        let (rounded, available) = (rounded.get(), available.get());
        if rounded < self.max_split {
            available < self.max_split
        } else {
            available < rounded.saturating_add(self.max_non_split_rounding)
        }
    }
}

/// Rounds up to the next of `divisions` equal steps between two powers of two.
fn next_division(request: u64, divisions: u64) -> u64 {
    if request.is_power_of_two() {
        return request;
    }
    let power = 1_u64 << request.ilog2();
    let step = power >> divisions.ilog2();
    if step == 0 { power * 2 } else { request.next_multiple_of(step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut Settings)) -> SizeRules {
        let mut settings = Settings::default();
        change(&mut settings);
        SizeRules::new(&settings)
    }

    fn check_rounds(rules: &SizeRules, request: u64, rounded: u64) {
        assert_eq!(rules.round(Bytes::new(request)), Bytes::new(rounded), "{request}");
    }

    #[test]
    fn requests_round_to_512_bytes() {
        let rules = rules(|_| ());
        for (request, rounded) in [(1, 512), (512, 512), (513, 1024), (MIB + 1, MIB + 512)] {
            check_rounds(&rules, request, rounded);
        }
    }

    #[test]
    fn divisions_round_between_powers_of_two() {
        let rules = rules(|settings| settings.roundup_power2_divisions = [4; 16]);
        for (request, rounded) in [
            (1200, 1536),
            (2048, 2048),
            (2049, 2560),
            (5 * MIB, 5 * MIB),
            (9 * MIB, 10 * MIB),
            (33 * MIB, 40 * MIB),
        ] {
            check_rounds(&rules, request, rounded);
        }
    }

    #[test]
    fn segments_are_asked_for_in_three_sizes() {
        let rules = rules(|_| ());
        for (rounded, segment) in [
            (512, 2 * MIB),
            (MIB, 2 * MIB),
            (MIB + 512, 20 * MIB),
            (10 * MIB - 512, 20 * MIB),
            (10 * MIB, 10 * MIB),
            (10 * MIB + 512, 12 * MIB),
        ] {
            assert_eq!(rules.segment_size(Bytes::new(rounded)), Bytes::new(segment), "{rounded}");
        }
    }

    #[test]
    fn large_blocks_keep_up_to_one_mebibyte_of_slack() {
        let rules = rules(|_| ());
        assert!(!rules.splits(SizePool::Large, Bytes::mib(19), Bytes::mib(20)));
        assert!(rules.splits(SizePool::Large, Bytes::new(19922432), Bytes::mib(20)));
        assert!(rules.splits(SizePool::Small, Bytes::new(512), Bytes::new(1024)));
    }

    #[test]
    fn the_split_limit_keeps_oversize_blocks_apart() {
        let rules = rules(|settings| settings.max_split_size = Some(Bytes::mib(64)));
        assert!(!rules.may_serve(Bytes::mib(30), Bytes::mib(100)));
        assert!(!rules.may_serve(Bytes::mib(80), Bytes::mib(100)));
        assert!(rules.may_serve(Bytes::new(80 * MIB + 512), Bytes::mib(100)));
        assert!(!rules.splits(SizePool::Large, Bytes::mib(80), Bytes::mib(99)));
    }

    #[test]
    fn absurd_requests_stay_finite() {
        let rules = rules(|settings| settings.roundup_power2_divisions = [64; 16]);
        check_rounds(&rules, u64::MAX, 1 << 60);
    }
}
