//! Adding up blocks by the line of the program that asked for them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gapless_trace::StackId;
use gapless_units::Bytes;

use crate::case::Case;
use crate::finding::Evidence;
use crate::site::{SiteId, Sites};

/// How much evidence a finding shows.
const MOST_EVIDENCE: usize = 8;

/// What one site adds up to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) bytes: Bytes,
    pub(super) count: usize,
    /// The stack met first; the others end at the same line.
    pub(super) stack: StackId,
}

/// Sums by site.
#[derive(Debug)]
pub(super) struct BySite<'a> {
    sites: &'a Sites,
    shares: BTreeMap<SiteId, Share>,
}

impl<'a> BySite<'a> {
    pub(super) fn new(case: &Case<'a>) -> Self {
        Self { sites: case.sites, shares: BTreeMap::new() }
    }

    /// Adds a block, or what it stands for, to the site of its stack.
    pub(super) fn add(&mut self, stack: StackId, bytes: Bytes) {
        let new = Share { bytes: Bytes::ZERO, count: 0, stack };
        let share = self.shares.entry(self.sites.site(stack)).or_insert(new);
        share.bytes += bytes;
        share.count += 1;
    }

    /// All bytes of all sites.
    pub(super) fn total(&self) -> Bytes {
        self.shares.values().map(|share| share.bytes).sum()
    }

    /// How many blocks were added.
    pub(super) fn count(&self) -> usize {
        self.shares.values().map(|share| share.count).sum()
    }

    /// The heaviest sites as evidence, each with what `describe` says of it.
    pub(super) fn evidence(self, describe: impl Fn(&Share) -> String) -> Vec<Evidence> {
        let mut shares: Vec<Share> = self.shares.into_values().collect();
        shares.retain(|share| !share.bytes.is_zero());
        shares.sort_by_key(|share| (Reverse(share.bytes), share.stack));
        shares.truncate(MOST_EVIDENCE);
        let evidence = |share: Share| Evidence {
            what: describe(&share),
            bytes: share.bytes,
            count: share.count,
            stack: share.stack,
        };
        shares.into_iter().map(evidence).collect()
    }
}
