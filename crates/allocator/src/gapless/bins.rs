//! Free blocks by size: best fit in a few steps, whatever their number.
//!
//! ```text
//!   groups   1 0 1 1 0 …              a bit for each power of two
//!              │
//!   bins     0 0 1 0 0 1 …            32 bits within each, for 32 equal steps of size
//!                │     │
//!   blocks      ▢─▢    ▢─▢─▢          doubly linked through the blocks themselves
//! ```
//!
//! Two words of bits lead to the first bin that has blocks, as in M. Masmano et al., "TLSF: a new
//! dynamic memory allocator for real-time systems" (2004). Unlike there, the bin of the request's
//! own size is searched as well and the smallest block of a bin is taken, so the fit is the best.
//! A bin spans a thirty-second of its size, and few blocks share one; where many do, the first
//! [`LOOKED_AT`] decide.

use gapless_units::{Addr, Bytes};

use super::block::Blocks;
use super::names::BlockIndex;
use super::request::UNIT;

/// A group is cut into two to this power bins.
const STEPS: u32 = 5;

/// Bins in a group.
const BINS: usize = 1 << STEPS;

/// Groups: sizes below 2^41 units, more than there are addresses.
const GROUPS: usize = 37;

/// How many blocks of a bin are compared, at most, before the best of them is taken.
const LOOKED_AT: usize = 32;

/// Free blocks, each in the bin of its size.
#[derive(Debug)]
pub(super) struct Bins {
    /// Which groups have blocks.
    groups: u64,
    /// Which bins of each group have.
    steps: [u32; GROUPS],
    /// The first block of each bin.
    heads: Box<[BlockIndex; GROUPS * BINS]>,
}

impl Default for Bins {
    fn default() -> Self {
        Self { groups: 0, steps: [0; GROUPS], heads: Box::new([BlockIndex::NONE; GROUPS * BINS]) }
    }
}

/// The bin of a size: below 32 units one for each, from there on 32 for each power of two.
#[inline]
fn bin_of(size: Bytes) -> usize {
    let units = size.get() >> UNIT;
    let power = (units | 1).ilog2().saturating_sub(STEPS);
    let step = (units >> power) as usize;
    // From 32 units on the leading bit is in `step`, which makes the next group.
    ((power as usize) << STEPS) + step
}

impl Bins {
    #[inline]
    pub(super) fn insert(&mut self, blocks: &mut Blocks, at: BlockIndex) {
        let bin = bin_of(blocks[at].size);
        let head = std::mem::replace(&mut self.heads[bin], at);
        let block = &mut blocks[at];
        block.bin_prev = BlockIndex::NONE;
        block.bin_next = head;
        blocks[head].bin_prev = at;
        self.groups |= 1 << (bin >> STEPS);
        self.steps[bin >> STEPS] |= 1 << (bin & (BINS - 1));
    }

    #[inline]
    pub(super) fn remove(&mut self, blocks: &mut Blocks, at: BlockIndex) {
        let block = &blocks[at];
        let (prev, next, size) = (block.bin_prev, block.bin_next, block.size);
        blocks[next].bin_prev = prev;
        blocks[prev].bin_next = next;
        let bin = bin_of(size);
        let head = &mut self.heads[bin];
        *head = if prev == BlockIndex::NONE { next } else { *head };
        let is_empty = *head == BlockIndex::NONE;
        // Without branches: which bins become empty nobody can foretell.
        let group = bin >> STEPS;
        self.steps[group] &= !(u32::from(is_empty) << (bin & (BINS - 1)));
        self.groups &= !(u64::from(self.steps[group] == 0) << group);
    }

    /// The smallest block of at least this size, of the first that are looked at in a bin; of equal
    /// ones one that needs no memory, and the first by address: a program that repeats itself then
    /// finds the same places again.
    #[inline]
    pub(super) fn best(&self, blocks: &Blocks, size: Bytes) -> Option<BlockIndex> {
        let bin = bin_of(size);
        if let Some(at) = Self::best_of(blocks, self.list(blocks, bin).take(LOOKED_AT), size) {
            return Some(at);
        }
        let Some(next) = self.next(bin) else {
            return self.list(blocks, bin).find(|&at| size <= blocks[at].size);
        };
        Self::best_of(blocks, self.list(blocks, next).take(LOOKED_AT), size)
    }

    #[inline]
    fn best_of(
        blocks: &Blocks,
        list: impl Iterator<Item = BlockIndex>,
        size: Bytes,
    ) -> Option<BlockIndex> {
        let mut best = None;
        let mut least = (u64::MAX, Addr::default());
        for at in list {
            let block = &blocks[at];
            // Sizes are whole units, so the last bit can say what decides between equal ones.
            let rank = (block.size.get() | u64::from(0 < block.bare), block.addr);
            if size <= block.size && rank < least {
                (best, least) = (Some(at), rank);
            }
        }
        best
    }

    /// The blocks of a bin.
    #[inline]
    fn list<'a>(
        &self,
        blocks: &'a Blocks,
        bin: usize,
    ) -> impl Iterator<Item = BlockIndex> + use<'a> {
        std::iter::successors(self.heads[bin].some(), |&at| blocks[at].bin_next.some())
    }

    /// The first bin behind one that has blocks.
    #[inline]
    fn next(&self, bin: usize) -> Option<usize> {
        let (group, step) = (bin >> STEPS, bin & (BINS - 1));
        let rest = self.steps[group] & (u32::MAX << step) << 1;
        if rest != 0 {
            return Some((group << STEPS) + rest.trailing_zeros() as usize);
        }
        let groups = self.groups & u64::MAX << (group + 1);
        let group = groups.trailing_zeros() as usize;
        let steps = self.steps.get(group)?;
        Some((group << STEPS) + steps.trailing_zeros() as usize)
    }

    /// The smallest block of at least this size that needs no memory; of equal ones the first by
    /// address.
    pub(super) fn smallest_ready(&self, blocks: &Blocks, size: Bytes) -> Option<BlockIndex> {
        let is_ready = |&at: &BlockIndex| blocks[at].bare == 0;
        let some = self.all(blocks, size).find(is_ready)?;
        let its_bin = self.list(blocks, bin_of(blocks[some].size));
        let ready = its_bin.filter(|&at| size <= blocks[at].size && blocks[at].bare == 0);
        ready.min_by_key(|&at| (blocks[at].size, blocks[at].addr))
    }

    /// Every block of at least this size, bin by bin.
    pub(super) fn all<'a>(
        &'a self,
        blocks: &'a Blocks,
        size: Bytes,
    ) -> impl Iterator<Item = BlockIndex> + use<'a> {
        self.between(blocks, size, None)
    }

    /// The same up to the bin of another size.
    pub(super) fn between<'a>(
        &'a self,
        blocks: &'a Blocks,
        size: Bytes,
        most: Option<Bytes>,
    ) -> impl Iterator<Item = BlockIndex> + use<'a> {
        let last = most.map_or(usize::MAX, bin_of);
        // One walk instead of one for each bin: this is most of what looking for pages takes.
        let mut bin = bin_of(size);
        let mut next = self.heads[bin];
        std::iter::from_fn(move || {
            loop {
                if let Some(at) = next.some() {
                    next = blocks[at].bin_next;
                    if size <= blocks[at].size {
                        return Some(at);
                    }
                } else {
                    bin = self.next(bin)?;
                    if last < bin {
                        return None;
                    }
                    next = self.heads[bin];
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::Extent;
    use proptest::prelude::*;

    use super::*;
    use crate::gapless::names::{ArenaIndex, ReservationIndex};

    fn units(count: u64) -> Bytes {
        Bytes::new(count << UNIT)
    }

    /// A block of so many units, with or without bare slots, in a reservation of its own.
    fn block(blocks: &mut Blocks, number: usize, size: u64, is_bare: bool) -> BlockIndex {
        let start = Addr::new((number as u64) << 40);
        let extent = Extent::between(start, start + units(size));
        blocks.span(extent, ArenaIndex(0), ReservationIndex(0), is_bare.into())
    }

    /// Looks for a size in every way, and compares with a search of all that are in the bins.
    fn check(
        bins: &Bins,
        blocks: &Blocks,
        all: &[BlockIndex],
        size: Bytes,
    ) -> Result<(), TestCaseError> {
        let fit = || all.iter().copied().filter(|&at| size <= blocks[at].size);
        let rank = |&at: &BlockIndex| (blocks[at].size, 0 < blocks[at].bare, blocks[at].addr);
        prop_assert_eq!(bins.best(blocks, size), fit().min_by_key(rank));
        let ready = fit().filter(|&at| blocks[at].bare == 0).min_by_key(rank);
        prop_assert_eq!(bins.smallest_ready(blocks, size), ready);
        let sorted = |found: &mut dyn Iterator<Item = BlockIndex>| {
            let mut found: Vec<BlockIndex> = found.collect();
            found.sort_unstable();
            found
        };
        prop_assert_eq!(sorted(&mut bins.all(blocks, size)), sorted(&mut fit()));
        let most = size + size;
        let near = |&at: &BlockIndex| bin_of(blocks[at].size) <= bin_of(most);
        let found = sorted(&mut bins.between(blocks, size, Some(most)));
        prop_assert_eq!(found, sorted(&mut fit().filter(near)));
        Ok(())
    }

    proptest! {
        /// Two arenas whose blocks lie side by side in memory.
        #[test]
        fn blocks_are_found_by_size(
            sizes in prop::collection::vec((1u64..3000, any::<bool>()), 1..25),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..60),
            wanted in 1u64..3000,
        ) {
            let mut blocks = Blocks::default();
            let spanned = sizes.iter().enumerate();
            let spanned = spanned.map(|(at, &(size, bare))| block(&mut blocks, at, size, bare));
            let spanned: Vec<BlockIndex> = spanned.collect();
            let mut arenas = [Bins::default(), Bins::default()];
            let mut known = [Vec::new(), Vec::new()];
            for (which, to_second) in changes {
                let at = spanned[which.index(spanned.len())];
                let is_in = (0..2).find(|&arena| known[arena].contains(&at));
                if let Some(arena) = is_in {
                    arenas[arena].remove(&mut blocks, at);
                    known[arena].retain(|&other| other != at);
                } else {
                    let arena = usize::from(to_second);
                    arenas[arena].insert(&mut blocks, at);
                    known[arena].push(at);
                }
                for (bins, known) in arenas.iter().zip(&known) {
                    check(bins, &blocks, known, units(wanted))?;
                }
            }
        }
    }

    #[test]
    fn of_many_in_a_bin_some_are_compared() {
        let (mut bins, mut blocks) = (Bins::default(), Blocks::default());
        let all: Vec<BlockIndex> = (0..40).map(|at| block(&mut blocks, at, 8, false)).collect();
        for &at in &all {
            bins.insert(&mut blocks, at);
        }
        // Those that came last are looked at first; where all are alike, the first by address wins.
        let compared = &all[all.len() - LOOKED_AT..];
        assert_eq!(bins.best(&blocks, units(8)), compared.first().copied());
        assert_eq!(bins.best(&blocks, units(9)), None);
        for &at in &all {
            bins.remove(&mut blocks, at);
        }
        assert_eq!(bins.best(&blocks, units(8)), None);
    }

    /// In a bin of several sizes.
    #[test]
    fn behind_many_that_are_too_small_the_next_bin_comes_first() {
        let (mut bins, mut blocks) = (Bins::default(), Blocks::default());
        let [too_small, wanted, next_bin] = [1024, 1030, 1060];
        assert_eq!(bin_of(units(too_small)), bin_of(units(wanted)));
        let fits = block(&mut blocks, 0, wanted, false);
        bins.insert(&mut blocks, fits);
        for number in 1..=LOOKED_AT {
            let at = block(&mut blocks, number, too_small, false);
            bins.insert(&mut blocks, at);
        }
        assert_eq!(bins.best(&blocks, units(wanted)), Some(fits), "there is no other");
        let larger = block(&mut blocks, LOOKED_AT + 1, next_bin, false);
        bins.insert(&mut blocks, larger);
        assert_eq!(bins.best(&blocks, units(wanted)), Some(larger));
    }
}
