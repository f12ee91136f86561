//! An arena for each stream over one that all share, by first fit.
//!
//! ```text
//!   all of it    │ superblock 8 MiB │ 1 MiB │ 1 MiB │ superblock 3 MiB │  one wholly free superblock …
//!   whose          shared             stream 0 stream 1  shared             shared
//! ```
//!
//! Addresses are cut into superblocks of 1 MiB at least. A request of more than that takes, in the
//! shared arena, the superblock of the lowest address that has room, or cuts one of its size off a
//! wholly free one. Smaller requests do the same in the arena of their stream, which takes superblocks
//! from the shared one when it has no room. In a superblock the lowest free block that is large
//! enough is cut. A shared superblock that is wholly free merges with wholly free neighbors. An arena
//! keeps its superblocks until a request finds no room anywhere: then all arenas give all of theirs
//! back, used or not, after a wait for the device. (The class's own description says that empty ones go
//! back to the shared arena as they come; the code does not do that.)
//!
//! **Host time.** Ordered maps, and a walk over the free blocks of one superblock. **Device calls.** Hardly
//! any: memory comes once and stays. **Waste.** First fit leaves gaps between blocks that live long, and
//! what one stream's superblocks hold free is lost to others until the device is stopped.
//!
//! From `arena_memory_resource` of `rapidsai/rmm`, which cites M. S. Johnstone and P. R. Wilson, "The
//! memory fragmentation problem: solved?" (1998), for first fit by address. RMM takes half of the card
//! at once, or as much as it is told, and never more. Here the arena is as large as the card and memory
//! comes under its addresses as first fit reaches them, so that what is reserved tells how large an
//! arena the program needs. Left out: size classes, off by default there as well; arenas of threads;
//! and the wait for its stream with which each free of more than 1 MiB begins there: here a free block
//! goes to another stream when the work that used it is done.

use std::fmt;

use gapless_device::{Device, DeviceError, Handle};
use gapless_trace::Action;
use gapless_units::{Bytes, Extent, MIB};

use super::holdings::{Holdings, Owner};
use super::mapping::map_all;
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::slots::Slots;
use super::stamp::Stamp;
use super::superblocks::Superblocks;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this.
const UNIT: Bytes = Bytes::new(256);

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RmmArenaSettings {
    /// The least size of a superblock, and the largest request that a stream's own arena serves.
    pub superblock: Bytes,
}

impl Default for RmmArenaSettings {
    fn default() -> Self {
        Self { superblock: Bytes::new(MIB) }
    }
}

impl fmt::Display for RmmArenaSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "superblock:{}", self.superblock)
    }
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct RmmArena {
    least: Bytes,
    granule: Bytes,
    /// None before the first request.
    slots: Option<Slots>,
    superblocks: Superblocks,
    /// Memory without an address.
    spare: Vec<Handle>,
    /// What a failure left mapped where no memory should be.
    ruins: Vec<Extent>,
}

impl RmmArena {
    /// Makes sure that there are addresses.
    fn begin<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        if self.slots.is_none() {
            let size = holdings.device.memory().total.round_up(self.granule);
            let extent = holdings.device.reserve(size.max(self.granule))?;
            self.slots = Some(Slots::new(extent, self.granule));
            self.superblocks.begin(extent);
        }
        Ok(())
    }

    /// Brings memory under all of an extent.
    fn ensure_memory<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        extent: Extent,
        owner: Owner,
    ) -> Result<(), Refusal> {
        let Some(slots) = &mut self.slots else { return Ok(()) };
        for run in slots.runs(slots.touched(extent), false) {
            let count = usize::try_from(run.size().get() / self.granule.get()).unwrap_or(0);
            let missing = count.saturating_sub(self.spare.len());
            let created = holdings.create_all(missing, self.granule, &mut self.spare);
            created.map_err(Refusal::to_give(run.size()))?;
            let handles = self.spare.split_off(self.spare.len() - count);
            let start = run.start();
            if let Err(unmapped) = map_all(&mut holdings.device, start, &handles, self.granule) {
                self.spare.extend(handles);
                if !unmapped.left.is_zero() {
                    self.ruins.push(Extent::between(start, start + unmapped.left));
                }
                return Err(unmapped.error.into());
            }
            slots.put(start, handles);
            holdings.tell(Action::SegmentMap, run, owner);
        }
        Ok(())
    }
}

impl Policy for RmmArena {
    type Settings = RmmArenaSettings;
    type Piece = BlockIndex;

    fn new(settings: &RmmArenaSettings, granule: Bytes) -> Self {
        let least = settings.superblock.max(UNIT).round_up(UNIT);
        Self {
            least,
            granule,
            slots: None,
            superblocks: Superblocks::new(least),
            spare: Vec::new(),
            ruins: Vec::new(),
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
        self.begin(holdings)?;
        let (size, stream) = (self.rounded(request.size), request.stream);
        let arena = Some(stream).filter(|_| size <= self.least);
        let found = match self.superblocks.find(holdings, arena, size, stream)? {
            None if arena.is_some() => self.superblocks.find(holdings, None, size, stream)?,
            found => found,
        };
        let at = found.ok_or(Refusal::Short(size))?;
        let addr = self.superblocks.block(at).addr;
        let extent = Extent::between(addr, addr + size);
        self.ensure_memory(holdings, extent, request.owner())?;
        Ok((self.superblocks.hand_out(at, size, arena), extent))
    }

    fn give<D: Device, O: Observer>(
        &mut self,
        _: &mut Holdings<D, O>,
        piece: BlockIndex,
        stamp: Stamp,
    ) {
        self.superblocks.take_back(piece, stamp);
    }

    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        while let Some(&ruin) = self.ruins.last() {
            holdings.device.unmap(ruin)?;
            self.ruins.pop();
        }
        Ok(())
    }

    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        _: Request,
    ) -> Result<bool, DeviceError> {
        holdings.wait_for_all(None)?;
        Ok(self.superblocks.gather())
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        self.tidy(holdings)?;
        for run in self.superblocks.free_runs() {
            let Some(slots) = &mut self.slots else { continue };
            for part in slots.runs(slots.inside(run), true) {
                holdings.device.unmap(part)?;
                self.spare.extend(slots.take(part));
                holdings.tell(Action::SegmentUnmap, part, owner);
            }
        }
        while let Some(&handle) = self.spare.last() {
            holdings.release(handle, self.granule)?;
            self.spare.pop();
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.superblocks.check()?;
        let Some(slots) = &self.slots else { return Ok(()) };
        let touched = self.superblocks.held().map(|block| slots.touched(block.extent()));
        match touched.map(|extent| slots.runs(extent, false)).find(|runs| !runs.is_empty()) {
            Some(runs) => Err(format!("{runs:?} are held without memory")),
            None => Ok(()),
        }
    }
}
