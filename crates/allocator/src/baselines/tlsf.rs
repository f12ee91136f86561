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
//! Regions grow: the first is an eighth of the largest, and each may be twice the largest there was.
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

use super::cut_segments::CutSegments;
use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::reservations::Reservations;
use super::stamp::Stamp;
use super::two_levels::{TwoLevels, UNIT};
use crate::observer::Observer;

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
    ) -> Result<BlockIndex, Refusal> {
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
        used: Option<BlockIndex>,
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
    type Piece = BlockIndex;

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
        request: Request,
    ) -> Result<(BlockIndex, Extent), Refusal> {
        let size = self.rounded(request.size);
        let found = self.regions.find(holdings, size, request.stream)?;
        if request.may_move {
            self.shrink(holdings, self.settings.kept_regions, found, request.owner())?;
        }
        let at = match found {
            Some(at) => at,
            None => self.extend(holdings, size, request.owner())?,
        };
        let at = self.regions.hand_out(at, size);
        Ok((at, self.regions.block(at).extent()))
    }

    fn give<D: Device, O: Observer>(
        &mut self,
        _: &mut Holdings<D, O>,
        piece: BlockIndex,
        stamp: Stamp,
    ) {
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
        request: Request,
    ) -> Result<bool, DeviceError> {
        let before = holdings.reserved();
        if request.may_move {
            self.trim(holdings, request.owner())?;
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
