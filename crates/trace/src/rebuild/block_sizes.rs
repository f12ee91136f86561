//! How large each block was: the events followed forwards.
//!
//! A trace says what was asked for, not the block that served it. The rounded size follows from
//! the settings; beyond it, a block of the large pool keeps up to 1 MiB that was not worth cutting
//! off. Since free neighbors always merge, the free block that served a request reaches from the
//! recorded address to the next live block or the end of the segment, which tells the slack
//! exactly. A block older than the recording shows its end when something is placed behind it.

use std::collections::BTreeMap;

use gapless_units::{Addr, Bytes};

use super::tally::Tally;
use crate::allocation::{Allocation, AllocationId, Subjects};
use crate::instant::Instant;
use crate::mapping::Mapping;
use crate::note::Note;
use crate::segment::SizePool;
use crate::sizes::SizeRules;

/// Sets the size of every allocation that is not alive at the end, where the snapshot knows it.
pub(crate) fn settle_block_sizes(
    allocations: &mut [Allocation],
    subjects: &Subjects,
    mappings: &[Mapping],
    rules: &SizeRules,
    notes: &mut Vec<Note>,
) {
    let mut follow = Follow::new(allocations, mappings, rules, Instant::after(subjects.len()));
    follow.settle_oldest();
    for index in 0..subjects.len() {
        let now = Instant::after(index);
        follow.move_memory(now);
        if let Some(id) = subjects.get(index) {
            follow.event(id, now);
        }
    }
    follow.finish(notes);
}

/// The walk forwards: the memory held and the blocks alive at the current instant.
struct Follow<'a> {
    allocations: &'a mut [Allocation],
    mappings: &'a [Mapping],
    rules: &'a SizeRules,
    end: Instant,
    /// What comes and goes, by instant; the next of each to look at.
    by_death: Vec<u32>,
    next_birth: usize,
    next_death: usize,
    held: BTreeMap<Addr, u32>,
    alive: BTreeMap<Addr, AllocationId>,
    homeless: Tally,
    overlapping: Tally,
}

impl<'a> Follow<'a> {
    fn new(
        allocations: &'a mut [Allocation],
        mappings: &'a [Mapping],
        rules: &'a SizeRules,
        end: Instant,
    ) -> Self {
        let mut by_death: Vec<u32> = (0..).take(mappings.len()).collect();
        by_death.sort_by_key(|&id| mappings[id as usize].freed);
        let mut follow = Self {
            allocations,
            mappings,
            rules,
            end,
            by_death,
            next_birth: 0,
            next_death: 0,
            held: BTreeMap::new(),
            alive: BTreeMap::new(),
            homeless: Tally::default(),
            overlapping: Tally::default(),
        };
        follow.move_memory(Instant::START);
        follow
    }

    /// Takes in what was held from `now` on and lets go of what was not.
    fn move_memory(&mut self, now: Instant) {
        while let Some(&id) = self.by_death.get(self.next_death) {
            let mapping = &self.mappings[id as usize];
            if now < mapping.freed {
                break;
            }
            self.held.remove(&mapping.extent.start());
            self.next_death += 1;
        }
        while let Some(mapping) = self.mappings.get(self.next_birth) {
            if now < mapping.born {
                break;
            }
            if now < mapping.freed {
                let id = u32::try_from(self.next_birth).unwrap_or(u32::MAX);
                self.held.insert(mapping.extent.start(), id);
            }
            self.next_birth += 1;
        }
    }

    /// The blocks older than the recording: all at once, each up to the next.
    fn settle_oldest(&mut self) {
        let oldest = self.allocations.partition_point(|a| a.born == Instant::START);
        for id in (0..).map(AllocationId).take(oldest) {
            self.alive.insert(self.allocations[id.index()].addr, id);
        }
        for id in (0..).map(AllocationId).take(oldest) {
            self.settle(id);
        }
    }

    fn event(&mut self, id: AllocationId, now: Instant) {
        let allocation = &self.allocations[id.index()];
        if allocation.born == now {
            self.alive.insert(allocation.addr, id);
            self.settle(id);
        } else if allocation.freed == now {
            self.alive.remove(&allocation.addr);
        }
    }

    /// Decides the size of a block that just came alive, by what lies around it.
    fn settle(&mut self, id: AllocationId) {
        let allocation = self.allocations[id.index()];
        let addr = allocation.addr;
        self.look_before(addr, &allocation);
        let next = self.alive.range(next_addr(addr)..).next().map(|(&addr, _)| addr);
        let home = self.home(addr).copied();
        if home.is_none() && !self.mappings.is_empty() {
            self.homeless.add(|| describe(&allocation));
        }
        if allocation.freed == self.end && home.is_some() {
            return;
        }
        let limit = match home.filter(|home| !home.expandable) {
            Some(home) => Some(next.map_or(home.extent.end(), |next| next.min(home.extent.end()))),
            None => next,
        };
        let room = limit.map(|limit| Bytes::new(limit.get().saturating_sub(addr.get())));
        let fixed = home.is_some_and(|home| !home.expandable);
        self.allocations[id.index()].size = self.size(&allocation, room, fixed);
    }

    /// The size of the block that serves `allocation` where `room` bytes are free.
    fn size(&self, allocation: &Allocation, room: Option<Bytes>, fixed: bool) -> Bytes {
        let rounded = self.rules.round(allocation.requested);
        let Some(room) = room else { return rounded };
        if room < rounded {
            return if allocation.requested <= room { room } else { rounded };
        }
        let pool = self.rules.size_pool(rounded);
        let whole = fixed && pool == SizePool::Large && !self.rules.splits(pool, rounded, room);
        if whole { room } else { rounded }
    }

    /// The block before a new one must end where the new one starts, or before; one older than
    /// the recording ends right there if no more than its slack lies between.
    fn look_before(&mut self, addr: Addr, allocation: &Allocation) {
        let Some((_, &before)) = self.alive.range(..addr).next_back() else { return };
        let previous = self.allocations[before.index()];
        if addr < previous.extent().end() {
            let asked = previous.addr.get().saturating_add(previous.requested.get());
            if addr.get() < asked {
                self.overlapping.add(|| describe(allocation));
            }
            return;
        }
        let unknown = previous.born == Instant::START && previous.freed != self.end;
        let between = addr - previous.extent().end();
        let pool = self.rules.size_pool(self.rules.round(previous.requested));
        if unknown && allocation.born != Instant::START && between <= self.rules.largest_slack(pool)
        {
            let home = self.home(addr);
            if home.is_some_and(|home| !home.expandable && home.extent.start() <= previous.addr) {
                self.allocations[before.index()].size += between;
            }
        }
    }

    /// The memory that holds `addr`.
    fn home(&self, addr: Addr) -> Option<&Mapping> {
        let (_, &id) = self.held.range(..=addr).next_back()?;
        Some(&self.mappings[id as usize]).filter(|mapping| addr < mapping.extent.end())
    }

    fn finish(self, notes: &mut Vec<Note>) {
        notes.extend(self.homeless.note(
            Note::contradiction,
            "blocks-outside-segments",
            "blocks outside all segments",
        ));
        notes.extend(self.overlapping.note(
            Note::contradiction,
            "overlapping-blocks",
            "blocks that start inside another live block",
        ));
    }
}

fn next_addr(addr: Addr) -> Addr {
    Addr::new(addr.get().saturating_add(1))
}

fn describe(allocation: &Allocation) -> String {
    format!("{} at {}, from {}", allocation.requested, allocation.addr, allocation.born)
}
