//! Two-level segregated fit over regions that come and go.
//!
//! ```text
//!   first level    size ≥ 16 KiB   32 KiB   64 KiB  …      one bit each, a power of two
//!   second level     │0│1│2│ … │31│                        32 steps in between, one bit each
//!   list                 └► block ─ block ─ block          free blocks of that class
//! ```
//!
//! A request is rounded up to the next class to be searched, so that the first block of any list
//! from there on is large enough: two look-ups of bits and no search. The block is cut to the exact
//! size, and merges with its free neighbors when it comes back. *Good fit*: a block of the request's
//! own class is passed over even where it would do.
//!
//! Regions grow: the first is an eighth of the largest, and each may be twice the largest there is.
//! A request of more than half a largest region gets one of its own. Of the wholly free shared regions
//! one is kept; the others go back as soon as the work that used them is done, without a wait.
//!
//! **Host time.** Constant, the least of all: bits, two list updates, no tree. **Device calls.** A
//! region is reserved, created, mapped and made accessible as one handle, and goes back the same
//! way; programs whose large blocks come and go pay that each time. **Waste.** What is free in
//! regions that are partly alive, up to one kept region, and good fit's refusals.
//!
//! From M. Masmano, I. Ripoll, A. Crespo and J. Real, "TLSF: a New Dynamic Memory Allocator for
//! Real-Time Systems" (2004), with 32 steps as they advise; the sizes of regions and the one that is
//! kept from the default pools of the Vulkan Memory Allocator
//! (`GPUOpen-LibrariesAndSDKs/VulkanMemoryAllocator`). Left out: trying several regions for the one
//! that is fullest, which costs the constant time. The books lie outside the managed memory, since
//! that is the device's. Streams: a free block goes to another stream when the work that used it is
//! done; lists are then searched past blocks that are not ready.

use std::fmt;

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::Action;
use gapless_units::{Addr, Bytes, Extent};
use rustc_hash::FxHashMap;

use super::cut_segments::{CutSegments, FreeIndex};
use super::holdings::{Holdings, Owner};
use super::names::At;
use super::policy::{Policy, Refusal, Want};
use super::reservations::Reservations;
use super::stamp::Stamp;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this.
const UNIT: Bytes = Bytes::new(512);

/// The second level cuts each power of two into 2 to this power.
const STEPS_LOG2: u32 = 5;
const STEPS: usize = 1 << STEPS_LOG2;

/// Levels for sizes of up to 2^64 units.
const LEVELS: usize = 64;

/// The first region is the largest, halved so often.
const HALVINGS: u32 = 3;

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsfSettings {
    /// The largest region that several requests share. 256 MiB, as the Vulkan Memory Allocator has
    /// it for large memories: a region is then a hundredth of a card.
    pub largest_region: Bytes,
    /// How many wholly free regions are kept. One saves a program that frees its last block and
    /// asks again from paying for a region each time.
    pub kept_regions: usize,
}

impl Default for TlsfSettings {
    fn default() -> Self {
        Self { largest_region: Bytes::mib(256), kept_regions: 1 }
    }
}

impl fmt::Display for TlsfSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "largest_region:{},kept_regions:{}", self.largest_region, self.kept_regions)
    }
}

/// A class of sizes: level and step.
fn class_of(units: u64) -> (usize, usize) {
    if units < STEPS as u64 {
        return (0, usize::try_from(units).unwrap_or(0));
    }
    let shift = units.ilog2() - STEPS_LOG2;
    let step = usize::try_from(units >> shift).unwrap_or(STEPS) - STEPS;
    (shift as usize + 1, step)
}

/// The least size whose class holds only blocks of at least so many units.
fn rounded_to_class(units: u64) -> u64 {
    if units < STEPS as u64 {
        return units;
    }
    let step = 1 << (units.ilog2() - STEPS_LOG2);
    units + (step - 1)
}

/// A block's neighbors in its list.
#[derive(Clone, Copy, Debug)]
struct Links {
    prev: At,
    next: At,
}

/// The free blocks of each class, the one that came last first, and which classes have some.
#[derive(Clone, Debug)]
struct TwoLevels {
    levels: u64,
    steps: [u32; LEVELS],
    heads: Box<[[At; STEPS]; LEVELS]>,
    /// By the places of blocks; those of blocks that are not free mean nothing.
    links: Vec<Links>,
}

impl Default for TwoLevels {
    fn default() -> Self {
        Self {
            levels: 0,
            steps: [0; LEVELS],
            heads: Box::new([[At::NONE; STEPS]; LEVELS]),
            links: Vec::new(),
        }
    }
}

impl TwoLevels {
    /// The first class at or behind this one that has a block.
    fn class_from(&self, (level, step): (usize, usize)) -> Option<(usize, usize)> {
        let steps = self.steps.get(level)? & u32::MAX.checked_shl(u32::try_from(step).ok()?)?;
        if steps != 0 {
            return Some((level, steps.trailing_zeros() as usize));
        }
        let levels = self.levels & u64::MAX.checked_shl(u32::try_from(level + 1).ok()?)?;
        let level = (levels != 0).then(|| levels.trailing_zeros() as usize)?;
        Some((level, self.steps[level].trailing_zeros() as usize))
    }

    fn list(&self, (level, step): (usize, usize)) -> impl Iterator<Item = At> {
        let first = self.heads[level][step].some();
        std::iter::successors(first, |at| self.links[at.index()].next.some())
    }
}

impl FreeIndex for TwoLevels {
    fn insert(&mut self, at: At, size: Bytes, _: Addr) {
        let (level, step) = class_of(size.get() / UNIT.get());
        let head = std::mem::replace(&mut self.heads[level][step], at);
        if self.links.len() <= at.index() {
            self.links.resize(at.index() + 1, Links { prev: At::NONE, next: At::NONE });
        }
        self.links[at.index()] = Links { prev: At::NONE, next: head };
        if let Some(head) = head.some() {
            self.links[head.index()].prev = at;
        }
        self.levels |= 1 << level;
        self.steps[level] |= 1 << step;
    }

    fn remove(&mut self, at: At, size: Bytes, _: Addr) {
        let (level, step) = class_of(size.get() / UNIT.get());
        let Links { prev, next } = self.links[at.index()];
        if let Some(next) = next.some() {
            self.links[next.index()].prev = prev;
        }
        if let Some(prev) = prev.some() {
            self.links[prev.index()].next = next;
            return;
        }
        self.heads[level][step] = next;
        if next == At::NONE {
            self.steps[level] &= !(1 << step);
            if self.steps[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }

    fn candidates(&self, size: Bytes) -> impl Iterator<Item = At> {
        let units = size.get().div_ceil(UNIT.get());
        let first = self.class_from(class_of(rounded_to_class(units)));
        let classes = std::iter::successors(first, |&(level, step)| {
            let behind = if step + 1 < STEPS { (level, step + 1) } else { (level + 1, 0) };
            self.class_from(behind)
        });
        classes.flat_map(|class| self.list(class))
    }
}

/// The memory of a region.
#[derive(Clone, Copy, Debug)]
struct Memory {
    handle: Handle,
    /// Whether it was taken for several requests, rather than for one.
    is_shared: bool,
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct Tlsf {
    settings: TlsfSettings,
    granule: Bytes,
    regions: CutSegments<TwoLevels>,
    /// The memory of each region, by its address.
    memory: FxHashMap<Addr, Memory>,
    /// The largest shared region so far.
    largest_so_far: Bytes,
    reservations: Reservations,
}

impl Tlsf {
    /// The size of a new region for a request.
    fn region_size(&self, size: Bytes) -> Bytes {
        let mut region = self.settings.largest_region.round_up(self.granule);
        if region < size + size {
            return size.round_up(self.granule);
        }
        for _ in 0..HALVINGS {
            let half = Bytes::new(region.get() / 2).round_up(self.granule);
            if half <= self.largest_so_far || half < size + size {
                break;
            }
            region = half;
        }
        region
    }

    /// Takes a region with room for `size`; a smaller one where the device has not so much.
    fn extend<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        owner: Owner,
    ) -> Result<At, Refusal> {
        let least = size.round_up(self.granule);
        let mut region = self.region_size(size);
        while holdings.available() < region && least < region {
            region = Bytes::new(region.get() / 2).round_up(self.granule).max(least);
        }
        let taken = self.reservations.reserve_new(holdings, 1, region);
        let (extent, handles) = taken.map_err(Refusal::to_give(region))?;
        let is_shared = size + size <= region;
        let memory = handles.into_iter().map(|handle| Memory { handle, is_shared });
        self.memory.extend(memory.map(|memory| (extent.start(), memory)));
        if is_shared {
            self.largest_so_far = self.largest_so_far.max(region);
        }
        holdings.tell(Action::SegmentMap, extent, owner);
        Ok(self.regions.add(extent))
    }

    /// Lets wholly free regions go whose work is done, all but `kept` of them and never `used`.
    fn shrink<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        kept: usize,
        used: Option<At>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        let mut kept = kept;
        for at in self.regions.whole_segments() {
            let block = self.regions.block(at);
            let (extent, stamp) = (block.extent(), block.stamp);
            let memory = self.memory.get(&extent.start()).copied();
            if Some(at) == used || !holdings.is_done(stamp)? {
                continue;
            }
            if memory.is_some_and(|memory| memory.is_shared) && 0 < kept {
                kept -= 1;
                continue;
            }
            self.regions.remove(at);
            self.memory.remove(&extent.start());
            let handles = memory.into_iter().map(|memory| memory.handle).collect();
            self.reservations.give_back(Some(extent), handles, extent.size());
            holdings.tell(Action::SegmentUnmap, extent, owner);
        }
        self.reservations.clear(holdings)
    }
}

impl Policy for Tlsf {
    type Settings = TlsfSettings;
    type Piece = At;

    fn new(settings: &TlsfSettings, granule: Bytes) -> Self {
        Self {
            settings: *settings,
            granule,
            regions: CutSegments::default(),
            memory: FxHashMap::default(),
            largest_so_far: Bytes::ZERO,
            reservations: Reservations::default(),
        }
    }

    fn rounded(&self, size: Bytes) -> Bytes {
        size.max(Bytes::new(1)).round_up(UNIT)
    }

    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        want: Want,
    ) -> Result<(At, Extent), Refusal> {
        let size = self.rounded(want.size);
        let found = self.regions.find(holdings, size, want.stream)?;
        if want.may_move {
            self.shrink(holdings, self.settings.kept_regions, found, want.owner())?;
        }
        let at = match found {
            Some(at) => at,
            None => self.extend(holdings, size, want.owner())?,
        };
        let at = self.regions.hand_out(at, size);
        Ok((at, self.regions.block(at).extent()))
    }

    fn give<D: Device, O: Observer>(&mut self, _: &mut Holdings<D, O>, piece: At, stamp: Stamp) {
        self.regions.take_back(piece, stamp);
    }

    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        self.reservations.clear(holdings)
    }

    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        want: Want,
    ) -> Result<bool, DeviceError> {
        let before = holdings.reserved();
        if want.may_move {
            self.trim(holdings, want.owner())?;
        }
        Ok(holdings.reserved() < before)
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        self.shrink(holdings, 0, None, owner)
    }

    fn check(&self) -> Result<(), String> {
        self.regions.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_32_steps_of_each_power_of_two() {
        for (units, class) in [
            (1, (0, 1)),
            (31, (0, 31)),
            (32, (1, 0)),
            (63, (1, 31)),
            (64, (2, 0)),
            (65, (2, 0)),
            (66, (2, 1)),
            (1 << 20, (16, 0)),
        ] {
            assert_eq!(class_of(units), class, "{units}");
        }
    }

    #[test]
    fn a_request_is_searched_from_the_first_class_that_holds_no_smaller_block() {
        for (units, rounded) in [(31, 31), (33, 33), (64, 65), (65, 66), (66, 67), (128, 131)] {
            assert_eq!(rounded_to_class(units), rounded, "{units}");
            let class = class_of(rounded);
            let smaller_class = class_of(units - 1);
            assert!(smaller_class < class, "{units}");
        }
    }

    #[test]
    fn lists_give_the_block_that_came_last() {
        let mut index = TwoLevels::default();
        let size = |units: u64| Bytes::new(units * UNIT.get());
        for (at, units) in [(0, 64), (1, 65), (2, 70), (3, 500)] {
            index.insert(At(at), size(units), Addr::default());
        }
        let found = |index: &TwoLevels, units| index.candidates(size(units)).collect::<Vec<_>>();
        assert_eq!(found(&index, 1), [At(1), At(0), At(2), At(3)]);
        // 64 units would do for a request of as many, but its class holds smaller ones than 65.
        assert_eq!(found(&index, 65), [At(2), At(3)]);
        index.remove(At(2), size(70), Addr::default());
        index.remove(At(1), size(65), Addr::default());
        assert_eq!(found(&index, 1), [At(0), At(3)]);
        assert_eq!(found(&index, 501), []);
    }
}
