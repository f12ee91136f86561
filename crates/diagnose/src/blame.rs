//! Blame: which live blocks keep free bytes unusable, and where they were allocated.
//!
//! A pinned gap is held by the live blocks on both sides of it: each carries half, or all of it
//! where it is the only one. So the blame of all blocks adds up to the pinned gaps exactly.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gapless_trace::{AllocationId, StackId, State, Trace};
use gapless_units::Bytes;

use crate::site::{SiteId, Sites};

/// The free bytes one block keeps unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The block.
    pub allocation: AllocationId,
    /// The bytes.
    pub bytes: Bytes,
}

/// The blocks of one site and what they pin together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlameRow {
    /// The line of the program that allocated them.
    pub site: SiteId,
    /// The stack among those that end there whose blocks pin most.
    pub stack: StackId,
    /// The free bytes they keep unusable.
    pub pins: Bytes,
    /// How many blocks they are.
    pub blocks: usize,
    /// The size of these blocks.
    pub live: Bytes,
}

/// Who keeps how much unusable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// By site, the heaviest first.
    pub rows: Vec<BlameRow>,
    /// By block, the heaviest first.
    pub blocks: Vec<Pins>,
}

impl Blame {
    /// Shares the pinned gaps of `state` out among its live blocks.
    pub fn of(trace: &Trace, state: &State, sites: &Sites) -> Self {
        let mut blocks = pins(state);
        blocks.retain(|pins| !pins.bytes.is_zero());
        let mut of_site: BTreeMap<SiteId, (BlameRow, BTreeMap<StackId, Bytes>)> = BTreeMap::new();
        for pins in &blocks {
            let allocation = trace.allocation(pins.allocation);
            let site = sites.site(allocation.stack);
            let (row, by_stack) = of_site.entry(site).or_insert_with(|| {
                let stack = allocation.stack;
                let none = Bytes::ZERO;
                (BlameRow { site, stack, pins: none, blocks: 0, live: none }, BTreeMap::new())
            });
            row.pins += pins.bytes;
            row.blocks += 1;
            row.live += allocation.size;
            *by_stack.entry(allocation.stack).or_default() += pins.bytes;
        }
        let heaviest = |(row, by_stack): (BlameRow, BTreeMap<StackId, Bytes>)| {
            let stack = by_stack.into_iter().max_by_key(|&(stack, bytes)| (bytes, Reverse(stack)));
            BlameRow { stack: stack.map_or(row.stack, |(stack, _)| stack), ..row }
        };
        let mut rows: Vec<BlameRow> = of_site.into_values().map(heaviest).collect();
        rows.sort_by_key(|row| (Reverse(row.pins), row.site));
        blocks.sort_by_key(|pins| (Reverse(pins.bytes), pins.allocation));
        Self { rows, blocks }
    }
}

/// What each block of `state` pins, in the order of addresses.
fn pins(state: &State) -> Vec<Pins> {
    let mut all = Vec::new();
    for segment in &state.segments {
        let first = all.len();
        let blocks = segment.blocks.iter();
        all.extend(blocks.map(|b| Pins { allocation: b.allocation, bytes: Bytes::ZERO }));
        let here = &mut all[first..];
        for gap in segment.gaps() {
            let pinned = gap.extent.size() - segment.releasable(gap).size();
            let half = Bytes::new(pinned.get() / 2);
            let (before, after) = (gap.next_block.checked_sub(1), gap.next_block);
            match (before, after < here.len()) {
                (Some(before), true) => {
                    here[before].bytes += half;
                    here[after].bytes += pinned - half;
                }
                (Some(before), false) => here[before].bytes += pinned,
                (None, true) => here[after].bytes += pinned,
                (None, false) => {}
            }
        }
    }
    all
}
