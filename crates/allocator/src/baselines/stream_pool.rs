//! A pool in the order of streams, like the one behind `cudaMallocAsync`: an approximation.
//!
//! ```text
//!   request ──► free on its own stream ──► free elsewhere and done ──► memory moved and new
//!                                                                           │ none left
//!                                                                           ▼
//!                                                    free elsewhere and pending, after a wait
//! ```
//!
//! What NVIDIA documents of its pools is the order above, each step of which can be switched off; that
//! new memory is mapped before a request waits for another stream; that a pool in which no free piece
//! is large enough is put together by mapping unused memory side by side; and that at each wait of the
//! program for the device, free memory beyond a threshold goes back. The threshold is 0 by default, so
//! all of it does. How the driver does all that, it does not say. Here: the smallest free block that is
//! large enough, at 512 bytes, which merges with its neighbors; where none is, what other streams are
//! done with is taken over and merged; then granules that lie free move under new addresses, those of
//! the stream first and the oldest first, before the device is asked for more. The driver has been seen
//! to fail with free memory in its pool, so take the waste below for a lower bound of its.
//!
//! **Host time.** One ordered set for a request that finds a block; a step for each granule that is
//! mapped, and for each free block of another stream that is taken over. **Device calls.** One map for
//! each granule that is new or moves. With the default threshold everything free is mapped anew after
//! each wait of the program, of which a recording of PyTorch does not tell. **Waste.** Parts of granules
//! that are partly alive, and what another stream still uses.
//!
//! From the CUDA programming guide, "Stream-Ordered Memory Allocator", the attributes of
//! `cudaMemPool_t`, and NVIDIA's "Using the NVIDIA CUDA Stream-Ordered Memory Allocator, Part 1" (2021).
//! Left out: reuse after an event that the program made between two streams, since no allocator is told
//! of such events. A wait is the host's here, and a stall; the driver lets the allocating stream wait on
//! the device.

use std::fmt;

use gapless_device::{Device, DeviceError};
use gapless_units::{Bytes, Extent};

use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::space::Space;
use super::stamp::Stamp;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this.
const UNIT: Bytes = Bytes::new(512);

/// The attributes of a pool, with the driver's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPoolSettings {
    /// How much may stay held when the program waited for the device
    /// (`cudaMemPoolAttrReleaseThreshold`).
    pub release_threshold: Bytes,
    /// Whether memory serves other streams when its work is done
    /// (`cudaMemPoolReuseAllowOpportunistic`).
    pub reuses_done: bool,
    /// Whether a request waits for another stream before it fails
    /// (`cudaMemPoolReuseAllowInternalDependencies`).
    pub may_wait: bool,
    /// Whether free granules move under new addresses. Not an attribute of the driver's.
    pub moves_memory: bool,
}

impl Default for StreamPoolSettings {
    fn default() -> Self {
        let release_threshold = Bytes::ZERO;
        Self { release_threshold, reuses_done: true, may_wait: true, moves_memory: true }
    }
}

impl fmt::Display for StreamPoolSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "release_threshold:{}", self.release_threshold)
    }
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct StreamPool {
    settings: StreamPoolSettings,
    granule: Bytes,
    space: Space,
}

impl StreamPool {
    fn find<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        request: Request,
    ) -> Result<Option<BlockIndex>, DeviceError> {
        let own = self.space.find_own(size, request.stream);
        if own.is_some() || !self.settings.reuses_done {
            return Ok(own);
        }
        let done = self.space.find_done(holdings, size, request.stream)?;
        if done.is_some() || !self.space.adopt(holdings, request.stream)? {
            return Ok(done);
        }
        Ok(self.space.find_own(size, request.stream))
    }
}

impl Policy for StreamPool {
    type Settings = StreamPoolSettings;
    type Piece = BlockIndex;

    const NOTE: &'static str =
        "an approximation of cudaMallocAsync, whose driver does not publish its rules";

    fn new(settings: &StreamPoolSettings, granule: Bytes) -> Self {
        Self { settings: *settings, granule, space: Space::new(granule) }
    }

    fn rounded(&self, size: Bytes) -> Bytes {
        size.max(Bytes::new(1)).round_up(UNIT)
    }

    fn may_wait(&self) -> bool {
        self.settings.may_wait
    }

    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<(BlockIndex, Extent), Refusal> {
        let size = self.rounded(request.size);
        let at = if let Some(at) = self.find(holdings, size, request)? {
            at
        } else {
            let granules = size.round_up(self.granule);
            let may_move = request.may_move && self.settings.moves_memory;
            self.space.grow(holdings, granules, Request { may_move, ..request })?;
            self.space.find_own(size, request.stream).ok_or(Refusal::Short(granules))?
        };
        let at = self.space.hand_out(at, size);
        Ok((at, self.space.extent(at)))
    }

    fn give<D: Device, O: Observer>(
        &mut self,
        _: &mut Holdings<D, O>,
        piece: BlockIndex,
        stamp: Stamp,
    ) {
        self.space.take_back(piece, stamp);
    }

    fn tidy<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        self.space.tidy(holdings)
    }

    /// Where memory does not move, free granules make room by going back.
    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<bool, DeviceError> {
        let before = holdings.reserved();
        if request.may_move && !self.settings.moves_memory {
            self.trim(holdings, request.owner())?;
        }
        Ok(holdings.reserved() < before)
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        self.space.trim(holdings, Bytes::ZERO, owner)
    }

    fn note_synchronized<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        self.space.trim(holdings, self.settings.release_threshold, owner)
    }

    fn check(&self) -> Result<(), String> {
        self.space.check()
    }
}
