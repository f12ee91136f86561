//! The ransom, in numbers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gapless_diagnose::{Ransom, SiteId, Sites};
use gapless_trace::{Stacks, Trace};
use serde::Serialize;

use super::place::{Place, place, stack};

/// The most blocks that leave one by one.
const MOST_BLOCKS: usize = 100;

/// The cheapest live blocks whose release would serve the request.
#[derive(Clone, Debug, Serialize)]
pub struct RansomFacts {
    /// How they serve it: `one_gap` or `whole_segments`.
    pub kind: &'static str,
    /// Their size together.
    pub price_bytes: u64,
    /// The free memory the request then has: the gap, or what is free on the device.
    pub gains_bytes: u64,
    /// How many blocks they are.
    pub block_count: usize,
    /// All of them by line of the program, the largest sum first.
    pub sites: Vec<RansomSiteFacts>,
    /// The blocks, in the order of addresses; the first of them where they are many.
    pub blocks: Vec<RansomBlockFacts>,
}

/// The blocks of a ransom that one line of the program allocated.
#[derive(Clone, Debug, Serialize)]
pub struct RansomSiteFacts {
    /// The line, where known.
    pub site: Option<Place>,
    /// How many blocks they are.
    pub blocks: usize,
    /// Their size together.
    pub bytes: u64,
}

/// One block of a ransom.
#[derive(Clone, Debug, Serialize)]
pub struct RansomBlockFacts {
    /// Its first byte.
    pub address: u64,
    /// Its size.
    pub bytes: u64,
    /// What was asked for.
    pub requested_bytes: u64,
    /// The event it was born in; none for one older than the recording.
    pub born_event: Option<usize>,
    /// The line of the program, where known.
    pub site: Option<Place>,
    /// The stack.
    pub stack: Vec<Place>,
}

impl RansomFacts {
    pub(super) fn of(ransom: &Ransom, trace: &Trace, stacks: &Stacks, sites: &Sites) -> Self {
        let blocks = ransom.blocks.iter().take(MOST_BLOCKS).map(|&id| {
            let allocation = trace.allocation(id);
            RansomBlockFacts {
                address: allocation.addr.get(),
                bytes: allocation.size.get(),
                requested_bytes: allocation.requested.get(),
                born_event: allocation.born.event(),
                site: place(stacks, sites, sites.site(allocation.stack)),
                stack: stack(stacks, allocation.stack),
            }
        });
        Self {
            kind: ransom.kind.name(),
            price_bytes: ransom.price.get(),
            gains_bytes: ransom.gains.get(),
            block_count: ransom.blocks.len(),
            sites: by_site(ransom, trace, stacks, sites),
            blocks: blocks.collect(),
        }
    }
}

fn by_site(ransom: &Ransom, trace: &Trace, stacks: &Stacks, sites: &Sites) -> Vec<RansomSiteFacts> {
    let mut sums: BTreeMap<SiteId, (u64, usize)> = BTreeMap::new();
    for &id in &ransom.blocks {
        let allocation = trace.allocation(id);
        let (bytes, blocks) = sums.entry(sites.site(allocation.stack)).or_default();
        *bytes += allocation.size.get();
        *blocks += 1;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|&(site, sum)| (Reverse(sum), site));
    let facts = |(site, (bytes, blocks))| RansomSiteFacts {
        site: place(stacks, sites, site),
        blocks,
        bytes,
    };
    sums.into_iter().map(facts).collect()
}
