//! Whole granules for every large request, moved to where one is needed.
//!
//! ```text
//!   request ──► smallest free run of its stream ──► smallest done run of another ──► cut
//!                         │ none
//!                         ▼
//!      smallest gap of addresses that fits ◄── granules of free runs, its own first, oldest first
//!                                          ◄── new memory for what is missing
//! ```
//!
//! A request of a granule or more is rounded to whole granules; smaller ones go to small blocks in
//! segments of their own. Where no free run is large enough, free granules are mapped a second time,
//! side by side under a gap of addresses, and new ones only make up the difference. The old mapping
//! stays until the work on the old addresses is done, and is unmapped before a later request.
//!
//! **Host time.** One ordered set for a request that finds a run; a step for each run and granule that
//! moves. **Device calls.** One map for each granule that moves, one set access for each request that
//! moves some, one unmap for each run left behind: programs whose sizes vary move thousands in each
//! iteration. **Waste.** The rounding: half a granule for each live block on average, which is most
//! where blocks of one to ten MiB are many. No gap is ever lost.
//!
//! From the virtual memory pool (VPMM) of `openvm-org/stark-backend`, `crates/cuda-common`. There, a
//! free run of another stream that is still in use is taken before new memory, and the allocating
//! stream waits for it on the device. A [`gapless_device::Device`] has no such call, so new memory
//! comes first here, and only where there is none does the request wait, as a stall. Left out: pages
//! taken before the first request, and `cudaMallocAsync` for small requests.

use std::fmt;

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, Extent};

use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::small_blocks::{self, SmallBlocks};
use super::space::Space;
use super::stamp::Stamp;
use crate::observer::Observer;

/// What may be chosen: nothing. The granule is the device's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageStealSettings;

impl fmt::Display for PageStealSettings {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// A block in the program's hands.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// In a segment for small blocks.
    Small(BlockIndex),
    /// Whole granules.
    Large(BlockIndex),
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct PageSteal {
    granule: Bytes,
    small: SmallBlocks,
    space: Space,
}

impl PageSteal {
    fn take_large<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<BlockIndex, Refusal> {
        let size = request.size.round_up(self.granule);
        let found = match self.space.find_own(size, request.stream) {
            None => self.space.find_done(holdings, size, request.stream)?,
            own => own,
        };
        if let Some(at) = found {
            return Ok(self.space.hand_out(at, size));
        }
        self.space.grow(holdings, size, request)?;
        let grown = self.space.find_own(size, request.stream).ok_or(Refusal::Short(size))?;
        Ok(self.space.hand_out(grown, size))
    }
}

impl Policy for PageSteal {
    type Settings = PageStealSettings;
    type Piece = Piece;

    fn new(_: &PageStealSettings, granule: Bytes) -> Self {
        Self { granule, small: SmallBlocks::new(granule), space: Space::new(granule) }
    }

    fn rounded(&self, size: Bytes) -> Bytes {
        if size < self.granule { small_blocks::rounded(size) } else { size.round_up(self.granule) }
    }

    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<(Piece, Extent), Refusal> {
        if request.size < self.granule {
            let (at, extent) = self.small.take(holdings, request)?;
            return Ok((Piece::Small(at), extent));
        }
        let at = self.take_large(holdings, request)?;
        Ok((Piece::Large(at), self.space.extent(at)))
    }

    fn give<D: Device, O: Observer>(&mut self, _: &mut Holdings<D, O>, piece: Piece, stamp: Stamp) {
        match piece {
            Piece::Small(at) => self.small.give(at, stamp),
            Piece::Large(at) => self.space.take_back(at, stamp),
        }
    }

    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        self.space.tidy(holdings)
    }

    /// A large request has all free granules already; wholly free segments of small blocks are the
    /// rest. A small request gets what lies free among the granules.
    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<bool, DeviceError> {
        let before = holdings.reserved();
        if !request.may_move {
            return Ok(false);
        }
        if request.size < self.granule {
            let keep = before.saturating_sub(self.granule);
            self.space.trim(holdings, keep, request.owner())?;
        } else {
            holdings.wait_for_all(None)?;
            self.small.trim(holdings, request.owner())?;
        }
        Ok(holdings.reserved() < before)
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        self.space.trim(holdings, Bytes::ZERO, owner)?;
        self.small.trim(holdings, owner)
    }

    fn check(&self) -> Result<(), String> {
        self.space.check()?;
        self.small.check()
    }
}
