//! Virtual memory stitching: large requests are put together from free pieces.
//!
//! ```text
//!   primitive   │ A A A │ held │   │ B B │ held │       own addresses, cut between granules
//!                    ╲            ╱
//!   stitched        │ A A A B B │                      the same memory, mapped a second time
//! ```
//!
//! Requests of more than 1 MiB, in whole granules:
//!
//! 1. a free block of exactly that size, primitive or stitched;
//! 2. the smallest larger one: a primitive is cut between granules, a stitched one may be up to ten
//!    times as large and uses the first granules that are needed;
//! 3. from 512 MiB on, free primitives of the stream, the largest first, stitched under addresses of
//!    their own;
//! 4. where these are too few, all of them and new memory for the rest;
//! 5. otherwise, new memory of that size, and where the device has none, what is wholly free goes back
//!    first, with the stitched blocks over it.
//!
//! Nothing is unmapped on a free. A stitched block whose memory is free again is used again, so a
//! program with fixed shapes soon stitches nothing; one with varying shapes goes on stitching. When the
//! stitched blocks are too many, those used longest ago are unmapped. Smaller requests are served from
//! segments of one granule.
//!
//! **Host time.** Ordered sets, and a step for each granule of a block and each stitched block over it.
//! **Device calls.** One map for each granule that is stitched, beside those of new memory. **Waste.** As
//! PyTorch's allocator below the limit; above it, what is free in pieces is lost only as rounding.
//!
//! From C. Guo and others, "`GMLake`: Efficient and Transparent GPU Memory Defragmentation for
//! Large-scale DNN Training with Virtual Memory Stitching" (ASPLOS 2024), and
//! `intelligent-machine-learning/glake`, whose defaults these are but for two: there, step 4 is off, and
//! twice as many addresses may be stitched.
//! Left out: environment variables that switch parts off, and memory of other streams: as in PyTorch's
//! allocator, a block stays with the stream it was made for until the memory goes back.

use std::fmt;

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Bytes, Extent, MIB};

use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::primitives::Primitives;
use super::reservations::Reservations;
use super::small_blocks::{self, SmallBlocks};
use super::stamp::Stamp;
use super::stitched::{Stitch, StitchedBlocks};
use crate::observer::Observer;

/// Up to this size a request is a small one.
const SMALL: Bytes = Bytes::new(MIB);

/// What may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GmLakeSettings {
    /// Requests are stitched from this size on (`fragLimit`). Below, mapping each granule costs more
    /// than it saves.
    pub stitch_from: Bytes,
    /// A stitched block serves a request that is smaller by at most this factor (`reuseLimit`).
    pub reuse_limit: u64,
    /// The most addresses under stitched blocks (`autoGC`, 1000 GiB there). Half of that here:
    /// 262,144 mappings, since one context is reported to hold some 520,000.
    pub stitched_limit: Bytes,
}

impl Default for GmLakeSettings {
    fn default() -> Self {
        let (stitch_from, stitched_limit) = (Bytes::mib(512), Bytes::gib(512));
        Self { stitch_from, reuse_limit: 10, stitched_limit }
    }
}

impl fmt::Display for GmLakeSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stitch_from, reuse_limit, stitched_limit } = self;
        write!(
            out,
            "stitch_from:{stitch_from},reuse_limit:{reuse_limit},stitched_limit:{stitched_limit}"
        )
    }
}

/// How much was stitched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StitchCounts {
    /// Blocks that were stitched.
    pub stitched: u64,
    /// Granules that were mapped for them.
    pub granules: u64,
    /// Stitched blocks that were given up.
    pub dropped: u64,
}

/// A block in the program's hands.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// In a segment for small blocks.
    Small(BlockIndex),
    /// A primitive block.
    Primitive(BlockIndex),
    /// The start of a stitched block.
    Stitched(u32, Owner),
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct GmLake {
    settings: GmLakeSettings,
    granule: Bytes,
    small: SmallBlocks,
    primitives: Primitives,
    stitched: StitchedBlocks,
    reservations: Reservations,
    counts: StitchCounts,
}

/// What a large request gets.
#[derive(Clone, Debug)]
enum Choice {
    /// Part of a free primitive block.
    Primitive(Extent),
    /// A stitched block that is there.
    Stitched(Stitch),
    /// Free primitive blocks, to be stitched.
    Stitch(Vec<Extent>),
    /// So much new memory before another choice is made.
    New(Bytes),
}

impl GmLake {
    /// How much was stitched so far.
    pub fn counts(&self) -> StitchCounts {
        self.counts
    }

    /// Addresses under stitched blocks.
    pub fn stitched_bytes(&self) -> Bytes {
        self.stitched.bytes()
    }

    /// What a request of whole granules gets.
    fn choose(&self, size: Bytes, request: Request) -> Choice {
        let primitive = self.primitives.smallest(size, request.stream);
        let most = Bytes::new(size.get().saturating_mul(self.settings.reuse_limit));
        let stitched = self.stitched.smallest(size, request.stream);
        let stitched = stitched.filter(|&(found, _)| found <= most);
        match (primitive, stitched) {
            (Some((own, _)), Some((other, stitch))) if other < own => Choice::Stitched(stitch),
            (Some((_, at)), _) => {
                let start = self.primitives.extent(at).start();
                Choice::Primitive(Extent::between(start, start + size))
            }
            (None, Some((_, stitch))) => Choice::Stitched(stitch),
            (None, None) => {
                let free = self.primitives.free_bytes(request.stream);
                if size < self.settings.stitch_from || free.is_zero() {
                    Choice::New(size)
                } else if free < size {
                    Choice::New(size - free)
                } else {
                    Choice::Stitch(self.primitives.largest(size, request.stream))
                }
            }
        }
    }

    fn take_large<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        request: Request,
    ) -> Result<(Piece, Extent), Refusal> {
        loop {
            match self.choose(size, request) {
                Choice::Primitive(part) => {
                    let at = self.primitives.hand_out(part, &mut self.stitched);
                    let at = at.ok_or(Refusal::Short(size))?;
                    return Ok((Piece::Primitive(at), part));
                }
                Choice::Stitched(stitch) => return self.hand_out(holdings, stitch, size, request),
                Choice::Stitch(parts) => {
                    let stitch = self.stitch(holdings, &parts, request)?;
                    return self.hand_out(holdings, stitch, size, request);
                }
                Choice::New(missing) => self.add_segment(holdings, missing, request)?,
            }
        }
    }

    /// Takes new memory under addresses of its own.
    fn add_segment<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        request: Request,
    ) -> Result<(), Refusal> {
        let count = usize::try_from(size.get() / self.granule.get()).unwrap_or(usize::MAX);
        let taken = self.reservations.reserve_new(holdings, count, self.granule);
        let (extent, handles) = taken.map_err(Refusal::to_give(size))?;
        self.primitives.add(extent, handles, request.stream);
        holdings.tell(Action::SegmentMap, extent, request.owner());
        Ok(())
    }

    /// Maps the memory of free primitive blocks a second time, side by side.
    fn stitch<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        parts: &[Extent],
        request: Request,
    ) -> Result<Stitch, DeviceError> {
        let handles = self.primitives.handles(parts);
        let extent = self.reservations.reserve_over(holdings, &handles, self.granule)?;
        self.counts.stitched += 1;
        self.counts.granules += handles.len() as u64;
        let stitch = self.stitched.add(extent, parts.to_vec(), request.stream);
        self.primitives.note_stitched(parts, stitch);
        Ok(stitch)
    }

    /// Hands out the first `size` bytes of a usable stitched block.
    fn hand_out<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        stitch: Stitch,
        size: Bytes,
        request: Request,
    ) -> Result<(Piece, Extent), Refusal> {
        let stitched = self.stitched.get(stitch).ok_or(Refusal::Short(size))?;
        let start = stitched.extent.start();
        let extent = Extent::between(start, start + size);
        let parts = stitched.parts_of(size);
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.extend(self.primitives.hand_out(part, &mut self.stitched));
            holdings.tell(Action::SegmentUnmap, part, request.owner());
        }
        self.stitched.hand_out(stitch, pieces);
        holdings.tell(Action::SegmentMap, extent, request.owner());
        Ok((Piece::Stitched(stitch.0, request.owner()), extent))
    }

    /// Gives up a stitched block that the program has not and no work uses.
    fn drop_stitched(&mut self, stitch: Stitch) {
        if let Some(stitched) = self.stitched.remove(stitch) {
            self.primitives.forget_stitched(&stitched.parts, stitch);
            self.reservations.give_back(Some(stitched.extent), Vec::new(), self.granule);
            self.counts.dropped += 1;
        }
    }

    /// Gives up stitched blocks beyond the limit, as far as no work uses them.
    fn collect<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
    ) -> Result<(), DeviceError> {
        if self.settings.stitched_limit < self.stitched.bytes() {
            for stitch in self.stitched.idle() {
                let stamp = self.stitched.get(stitch).map_or(Stamp::UNUSED, |it| it.stamp);
                if self.settings.stitched_limit < self.stitched.bytes()
                    && holdings.is_done(stamp)?
                {
                    self.drop_stitched(stitch);
                }
            }
        }
        self.reservations.clear(holdings)
    }

    /// Gives back segments that are wholly free, and the stitched blocks over them.
    fn give_back<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        for at in self.primitives.whole_segments() {
            let stitched = self.primitives.stitched_over(at);
            if stitched.iter().any(|&stitch| self.stitched.is_held(stitch)) {
                continue;
            }
            for stitch in stitched {
                self.drop_stitched(stitch);
            }
            let extent = self.primitives.extent(at);
            let handles = self.primitives.remove(at);
            self.reservations.give_back(Some(extent), handles, self.granule);
            holdings.tell(Action::SegmentUnmap, extent, owner);
        }
        self.reservations.clear(holdings)?;
        self.small.trim(holdings, owner)
    }
}

impl Policy for GmLake {
    type Settings = GmLakeSettings;
    type Piece = Piece;

    fn new(settings: &GmLakeSettings, granule: Bytes) -> Self {
        Self {
            settings: *settings,
            granule,
            small: SmallBlocks::new(granule),
            primitives: Primitives::new(granule),
            stitched: StitchedBlocks::default(),
            reservations: Reservations::default(),
            counts: StitchCounts::default(),
        }
    }

    fn rounded(&self, size: Bytes) -> Bytes {
        if size <= SMALL { small_blocks::rounded(size) } else { size.round_up(self.granule) }
    }

    fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<(Piece, Extent), Refusal> {
        let size = self.rounded(request.size);
        if request.may_move {
            self.collect(holdings)?;
        }
        if request.size <= SMALL {
            let (at, extent) = self.small.take(holdings, request)?;
            return Ok((Piece::Small(at), extent));
        }
        self.take_large(holdings, size, request)
    }

    fn give<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        piece: Piece,
        stamp: Stamp,
    ) {
        match piece {
            Piece::Small(at) => self.small.give(at, stamp),
            Piece::Primitive(at) => self.primitives.take_back(at, stamp, &mut self.stitched),
            Piece::Stitched(stitch, owner) => {
                let stitch = Stitch(stitch);
                let pieces = self.stitched.take_back(stitch, stamp);
                let extents = pieces.iter().map(|&at| self.primitives.extent(at));
                let extents: Vec<Extent> = extents.collect();
                let size = extents.iter().map(|extent| extent.size()).sum::<Bytes>();
                if let Some(stitched) = self.stitched.get(stitch) {
                    let start = stitched.extent.start();
                    let used = Extent::between(start, start + size);
                    holdings.tell(Action::SegmentUnmap, used, owner);
                }
                for (at, extent) in pieces.into_iter().zip(extents) {
                    holdings.tell(Action::SegmentMap, extent, owner);
                    self.primitives.take_back(at, stamp, &mut self.stitched);
                }
            }
        }
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
            self.give_back(holdings, request.owner())?;
        }
        Ok(holdings.reserved() < before)
    }

    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        self.give_back(holdings, owner)
    }

    fn check(&self) -> Result<(), String> {
        self.primitives.check()?;
        self.small.check()
    }
}
