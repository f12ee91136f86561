//! The state before the first event of a recording, for an allocator to begin with.

use std::collections::BTreeMap;

use gapless_allocator::caching::BlockId;
use gapless_allocator::caching::{AdoptError, Adopted, AdoptedBlock};
use gapless_allocator::{CachingAllocator, Observer};
use gapless_device::Sim;
use gapless_trace::{Instant, Mapping, SizePool, Trace};
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use crate::requests::RequestId;

/// What was there before the first event.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The segments, the oldest first as far as that is known, by address where it is not.
    pub(crate) segments: Vec<Adopted>,
    /// The requests that the blocks of each segment serve.
    pub(crate) requests: Vec<Vec<RequestId>>,
    /// Blocks the program had let go of and other streams still used.
    pub(crate) pending: Vec<RequestId>,
}

impl Start {
    /// Nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What a trace shows to have been there: every segment and block that was there before its
    /// first event. Empty for a trace that does not tell where blocks were placed.
    pub fn of(trace: &Trace) -> Self {
        if !trace.is_placed() {
            return Self::default();
        }
        let state = trace.state_at(Instant::START);
        let reservations = reservations(trace);
        let mut start = Self::default();
        for segment in &state.segments {
            let blocks = segment
                .blocks
                .iter()
                .map(|block| AdoptedBlock { extent: block.extent, requested: block.requested });
            let key = (segment.stream, segment.pool, segment.size_pool);
            let reservation = segment.page.and_then(|_| {
                let of_key = reservations.get(&key)?;
                of_key.iter().copied().find(|range| range.contains(segment.extent))
            });
            start.segments.push(Adopted {
                extent: segment.extent,
                reservation,
                stream: segment.stream,
                pool: segment.pool,
                size_pool: segment.size_pool,
                blocks: blocks.collect(),
            });
            let requests = segment.blocks.iter().map(|block| RequestId(block.allocation.0));
            start.requests.push(requests.collect());
            let pending = segment.blocks.iter().filter(|block| block.pending);
            start.pending.extend(pending.map(|block| RequestId(block.allocation.0)));
        }
        start
    }

    /// What is reserved.
    pub fn reserved(&self) -> Bytes {
        self.segments.iter().map(|segment| segment.extent.size()).sum()
    }

    /// Puts the segments into another order of age. The mapped ranges of one expandable segment
    /// stay together, in the place of the first.
    pub(crate) fn put_in_order(&mut self, order: &[usize]) {
        let mut together: Vec<usize> = Vec::with_capacity(order.len());
        let mut taken = vec![false; self.segments.len()];
        for &place in order {
            let reservation = self.segments[place].reservation;
            let of_one = (0..self.segments.len()).filter(|&other| {
                other == place
                    || reservation.is_some() && self.segments[other].reservation == reservation
            });
            for other in of_one {
                if !std::mem::replace(&mut taken[other], true) {
                    together.push(other);
                }
            }
        }
        let order = together;
        self.segments = order.iter().map(|&place| self.segments[place].clone()).collect();
        self.requests = order.iter().map(|&place| self.requests[place].clone()).collect();
    }

    /// Gives an allocator this state, and notes which request has which block.
    pub(crate) fn enter<O: Observer>(
        &self,
        allocator: &mut CachingAllocator<Sim, O>,
        blocks: &mut [Option<BlockId>],
    ) -> Result<(), AdoptError> {
        let names = allocator.adopt(&self.segments)?;
        for (requests, names) in self.requests.iter().zip(names) {
            for (request, name) in requests.iter().zip(names) {
                blocks[request.index()] = Some(name);
            }
        }
        Ok(())
    }
}

type Key = (StreamId, PoolId, SizePool);

/// The ranges of addresses that the expandable segments of a trace must have reserved.
///
/// A recording shows what was mapped, not what was reserved. A reservation spans 9/8 of the
/// device and serves one stream of one pool, so what was ever mapped for these, with no one
/// else's memory between, is taken for one; it reaches as far as to the next one.
pub(crate) fn reservations(trace: &Trace) -> BTreeMap<Key, Vec<Extent>> {
    let mut ever: Vec<&Mapping> = trace.mappings.iter().collect();
    ever.sort_by_key(|mapping| mapping.extent.start());
    let mut ranges: Vec<(Option<Key>, Extent)> = Vec::new();
    for mapping in ever {
        let key = mapping.expandable.then_some((mapping.stream, mapping.pool, mapping.size_pool));
        match ranges.last_mut() {
            Some((last, range)) if key.is_some() && *last == key => {
                let end = range.end().max(mapping.extent.end());
                *range = Extent::between(range.start(), end);
            }
            Some(_) | None => ranges.push((key, mapping.extent)),
        }
    }
    let mut reservations: BTreeMap<Key, Vec<Extent>> = BTreeMap::new();
    for (index, &(key, range)) in ranges.iter().enumerate() {
        let Some(key) = key else { continue };
        let page = trace.rules.page(key.2);
        let behind = ranges.get(index + 1).map(|(_, next)| next.start());
        let end = room_behind(range, behind, page);
        reservations.entry(key).or_default().push(Extent::between(range.start(), end));
    }
    reservations
}

/// Where a reservation ends of which `range` was mapped: whole pages, and room to grow as long as
/// nothing else is in the way.
fn room_behind(range: Extent, behind: Option<Addr>, page: Bytes) -> Addr {
    const ROOM: Bytes = Bytes::gib(1024);
    let mapped = range.size().round_up(page);
    let farthest = mapped + ROOM.round_up(page);
    let room = behind.map_or(farthest, |behind| (behind - range.start()).min(farthest));
    let size = room.round_down(page).max(mapped);
    // An address space that ends before is no device's; the allocator refuses to begin there.
    Addr::new(range.start().get().saturating_add(size.get()))
}
