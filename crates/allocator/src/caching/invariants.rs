//! What is always true between two calls of the allocator.
//!
//! - The blocks of a segment follow one another by address, without a gap, and are linked both ways.
//! - They share stream, pool, age and kind.
//! - No two neighbors are both free, nor both unmapped.
//! - The free sets hold exactly the free blocks, in order; the unmapped ones the unmapped blocks.
//! - A block waits for as many events as are queued for it.
//! - Reserved bytes are those of mapped blocks, and pages lie exactly under them.
//! - The statistics are what a recount gives.

use std::collections::{BTreeMap, BTreeSet};

use gapless_device::Device;
use gapless_trace::SizePool;
use gapless_units::{Addr, Bytes};

use super::CachingAllocator;
use super::free_set::Key;
use super::names::{PoolIndex, Slot};
use crate::observer::Observer;

/// A fault of the allocator itself: something between its blocks that can never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenInvariant {
    /// A block is not linked with the block before it, or does not begin where that ends.
    #[error("the block at {at} does not follow the one before it")]
    Neighbors {
        /// Its address.
        at: Addr,
    },
    /// A block has no bytes, or a size or address that is no multiple of 512.
    #[error("the block at {at} has {size} bytes")]
    Size {
        /// Its address.
        at: Addr,
        /// Its size.
        size: Bytes,
    },
    /// A block belongs elsewhere than the first block of its segment.
    #[error("the block at {at} is not like the first of its segment")]
    Stranger {
        /// Its address.
        at: Addr,
    },
    /// Two neighbors should be one.
    #[error("the block at {at} was not merged with the one before it")]
    Unmerged {
        /// Its address.
        at: Addr,
    },
    /// The blocks to be handed out are not the free ones in the order of the search.
    #[error("the free set of stream {stream} is not its free blocks in order")]
    FreeSet {
        /// The stream.
        stream: gapless_units::StreamId,
    },
    /// The unmapped blocks are not those that are not mapped.
    #[error("the unmapped set of stream {stream} is not its unmapped blocks")]
    UnmappedSet {
        /// The stream.
        stream: gapless_units::StreamId,
    },
    /// A block waits for more or fewer events than there are.
    #[error("the block at {at} waits for {waits} events, {queued} are queued")]
    Events {
        /// Its address.
        at: Addr,
        /// What the block says.
        waits: u32,
        /// What is queued.
        queued: u32,
    },
    /// The pages under an expandable segment are not those of its mapped blocks.
    #[error("the segment at {at} has {pages} of pages under {mapped} of mapped blocks")]
    Pages {
        /// Its address.
        at: Addr,
        /// The bytes of its pages.
        pages: Bytes,
        /// The bytes of its mapped blocks.
        mapped: Bytes,
    },
    /// A number is not what a recount gives.
    #[error("{name} is {told}, a recount gives {counted}")]
    Recount {
        /// PyTorch's name of the number.
        name: &'static str,
        /// What it is.
        told: u64,
        /// What it should be.
        counted: u64,
    },
}

/// A recount of the statistics that can be recounted, for all pools, small and large ones.
#[derive(Default)]
struct Recount {
    numbers: BTreeMap<&'static str, [u64; 3]>,
}

impl Recount {
    fn add(&mut self, name: &'static str, kind: SizePool, amount: u64) {
        let number = self.numbers.entry(name).or_default();
        number[0] += amount;
        match kind {
            SizePool::Small => number[1] += amount,
            SizePool::Large => number[2] += amount,
        }
    }
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// Goes through all blocks and says what of the allocator's own books is not so. It takes as
    /// long as there are blocks, and is meant for tests.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        let mut recount = Recount::default();
        let mut free = BTreeSet::new();
        let mut unmapped = BTreeSet::new();
        for first in self.blocks.first_of_segments() {
            self.check_segment(first)?;
            self.check_pages(first)?;
            self.count_segment(first, &mut recount);
            for (slot, block) in self.blocks.slots_from(first) {
                match (block.is_usable(), block.mapped) {
                    (true, true) => drop(free.insert(slot)),
                    (true, false) => drop(unmapped.insert(slot)),
                    (false, _) => {}
                }
            }
        }
        self.check_sets(&free, &unmapped)?;
        self.check_events()?;
        self.check_statistics(&recount)
    }

    fn check_segment(&self, first: Slot) -> Result<(), BrokenInvariant> {
        let head = &self.blocks[first];
        let mut before: Option<Slot> = None;
        for (slot, block) in self.blocks.slots_from(first) {
            let at = block.addr;
            let previous = before.map(|before| &self.blocks[before]);
            if block.prev.some() != before || previous.is_some_and(|other| other.end() != at) {
                return Err(BrokenInvariant::Neighbors { at });
            }
            if block.size.is_zero() || block.size.get() % 512 != 0 || at.get() % 512 != 0 {
                return Err(BrokenInvariant::Size { at, size: block.size });
            }
            let of =
                |block: &super::block::Block| (block.stream, block.pool, block.age, block.segment);
            if of(block) != of(head) || !block.mapped && block.segment.is_none() {
                return Err(BrokenInvariant::Stranger { at });
            }
            let alike = |other: &super::block::Block| {
                other.is_usable() && block.is_usable() && other.mapped == block.mapped
            };
            if previous.is_some_and(alike) || !block.mapped && !block.is_usable() {
                return Err(BrokenInvariant::Unmerged { at });
            }
            before = Some(slot);
        }
        Ok(())
    }

    fn check_pages(&self, first: Slot) -> Result<(), BrokenInvariant> {
        let head = &self.blocks[first];
        let Some(index) = head.segment else { return Ok(()) };
        for block in self.blocks.from(first).filter(|block| !block.mapped) {
            let pages = self.expandable.pages_in(index, block.extent());
            if !pages.is_zero() {
                let mapped = Bytes::ZERO;
                return Err(BrokenInvariant::Pages { at: block.addr, pages, mapped });
            }
        }
        let blocks: Vec<_> = self.blocks.from(first).collect();
        let mapped: Bytes =
            blocks.iter().filter(|block| block.mapped).map(|block| block.size).sum();
        let all = blocks
            .iter()
            .map(|block| block.extent())
            .reduce(|all, next| gapless_units::Extent::between(all.start(), next.end()));
        let pages = all.map_or(Bytes::ZERO, |all| self.expandable.pages_in(index, all));
        if pages != mapped {
            return Err(BrokenInvariant::Pages { at: head.addr, pages, mapped });
        }
        Ok(())
    }

    fn count_segment(&self, first: Slot, recount: &mut Recount) {
        let head = &self.blocks[first];
        let kind = self.pools[head.pool.0 as usize].kind;
        let expandable = head.segment.is_some();
        recount.add("segment", kind, u64::from(!expandable));
        for block in self.blocks.from(first).filter(|block| block.mapped) {
            let size = block.size.get();
            recount.add("reserved_bytes", kind, size);
            if block.allocated {
                recount.add("allocation", kind, 1);
                recount.add("allocated_bytes", kind, size);
            }
            if !block.is_usable() {
                recount.add("active", kind, 1);
                recount.add("active_bytes", kind, size);
                recount.add("requested_bytes", kind, block.requested.get());
            } else if !expandable && block.is_split() {
                recount.add("inactive_split", kind, 1);
                recount.add("inactive_split_bytes", kind, size);
            }
        }
    }

    fn check_sets(
        &self,
        free: &BTreeSet<Slot>,
        unmapped: &BTreeSet<Slot>,
    ) -> Result<(), BrokenInvariant> {
        let (mut found_free, mut found_unmapped) = (0, 0);
        let indexes = (0..).map(PoolIndex);
        for (index, pool) in indexes.zip(&self.pools) {
            for (stream, shelf) in pool.shelves() {
                let mut last: Option<Key> = None;
                let mut cursor = shelf.free.at_least(Key::default());
                while let Some(entry) = shelf.free.get(cursor) {
                    let block = &self.blocks[entry.value];
                    let known = free.contains(&entry.value)
                        && (block.pool, block.stream) == (index, stream)
                        && entry.key == Key::of(block, self.rules.tie_break);
                    if !known || last.is_some_and(|last| entry.key <= last) {
                        return Err(BrokenInvariant::FreeSet { stream });
                    }
                    last = Some(entry.key);
                    found_free += 1;
                    cursor = shelf.free.after(cursor);
                }
                for (&addr, &slot) in &shelf.unmapped {
                    let block = &self.blocks[slot];
                    let known = unmapped.contains(&slot)
                        && (block.pool, block.stream, block.addr) == (index, stream, addr);
                    if !known {
                        return Err(BrokenInvariant::UnmappedSet { stream });
                    }
                    found_unmapped += 1;
                }
            }
        }
        // Each entry is a block of its own, so equal numbers mean equal sets.
        let missing = |all: &BTreeSet<Slot>, found: usize| {
            all.iter().next().filter(|_| all.len() != found).map(|&slot| self.blocks[slot].stream)
        };
        if let Some(stream) = missing(free, found_free) {
            return Err(BrokenInvariant::FreeSet { stream });
        }
        if let Some(stream) = missing(unmapped, found_unmapped) {
            return Err(BrokenInvariant::UnmappedSet { stream });
        }
        Ok(())
    }

    fn check_events(&self) -> Result<(), BrokenInvariant> {
        let queued = self.deferred.queued_events();
        for first in self.blocks.first_of_segments() {
            for (slot, block) in self.blocks.slots_from(first) {
                let queued = queued.get(&slot).copied().unwrap_or_default();
                if block.events != queued {
                    let (at, waits) = (block.addr, block.events);
                    return Err(BrokenInvariant::Events { at, waits, queued });
                }
            }
        }
        Ok(())
    }

    fn check_statistics(&self, recount: &Recount) -> Result<(), BrokenInvariant> {
        for (name, told) in self.statistics.by_pool() {
            let told = [told.all, told.small_pool, told.large_pool].map(|change| change.current);
            let counted = recount.numbers.get(name).copied().unwrap_or_default();
            for (told, counted) in told.into_iter().zip(counted) {
                if told != counted {
                    return Err(BrokenInvariant::Recount { name, told, counted });
                }
            }
        }
        let counted = recount.numbers.get("reserved_bytes").copied().unwrap_or_default()[0];
        if self.reserved.get() != counted {
            let told = self.reserved.get();
            return Err(BrokenInvariant::Recount { name: "reserved", told, counted });
        }
        Ok(())
    }
}
