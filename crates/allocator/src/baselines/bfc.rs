//! Best fit with coalescing, as TensorFlow does it.
//!
//! ```text
//!   regions   2 MiB │ 4 MiB  │ 8 MiB         │ 16 MiB …          each twice the one before
//!   bins      256 B   512 B   1 KiB   …   128 MiB   256 MiB+     free blocks of that size and more
//! ```
//!
//! A request is rounded to 256 bytes and takes the first block that is large enough, bin by bin
//! upwards, in each by size and then by address. The block is cut where at least as much again, or
//! at least 128 MiB, would be wasted. A block that comes back merges with its free neighbors. Where
//! nothing fits, a region comes from the device, twice the size of the last one or as much as there
//! is left. Before a request fails, all wholly free regions go back, so that one larger region may
//! come in their place.
//!
//! **Host time.** A search in one ordered set for a request, two or three updates for a free.
//! **Device calls.** A handful of `cudaMalloc` in a whole life, since regions double; `cudaFree`,
//! which waits for the device, only before a failure. **Waste.** The last region may be half of all
//! memory and hardly used; at capacity, what the ends of regions and the cut rule leave unused: up to
//! half of a block, or 128 MiB of a large one, stays uncut.
//!
//! From the class `BFCAllocator` of TensorFlow (`tensorflow/tensorflow`, also in XLA), with growth
//! allowed; after Doug Lea's allocator. Left out: the one region of 75 % of the card that JAX takes
//! at once, which would say nothing about what a program needs; joining regions that happen to touch,
//! which TensorFlow has switched off for GPUs; the second try with nine tenths of a region when the
//! device gives less than it says it has; and waiting ten seconds for another thread to free
//! something. Streams: a free block goes to another stream when the work that used it is done; the
//! original has one compute stream and leaves the others to the program.

use std::collections::BTreeSet;
use std::fmt;

use gapless_device::{Device, DeviceError};
use gapless_trace::SizePool;
use gapless_units::{Addr, Bytes, Extent};

use super::cut_segments::{CutSegments, FreeIndex};
use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Policy, Refusal, Request};
use super::stamp::Stamp;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this.
const UNIT: Bytes = Bytes::new(256);

/// How many bins there are: the last holds everything from 256 MiB on.
const BINS: usize = 21;

/// What may be chosen, as TensorFlow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfcSettings {
    /// The first region. Later ones double, so it matters little.
    pub first_region: Bytes,
    /// A block is cut where at least so much of it would be wasted, whatever its size: below, half
    /// of a block may be.
    pub most_uncut: Bytes,
    /// Whether wholly free regions go back before a request fails.
    pub returns_regions: bool,
}

impl Default for BfcSettings {
    fn default() -> Self {
        Self { first_region: Bytes::mib(2), most_uncut: Bytes::mib(128), returns_regions: true }
    }
}

impl fmt::Display for BfcSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first_region, most_uncut, returns_regions } = self;
        write!(
            out,
            "first_region:{first_region},most_uncut:{most_uncut},returns_regions:{returns_regions}"
        )
    }
}

/// Free blocks in bins of doubling sizes.
#[derive(Clone, Debug, Default)]
struct Bins([BTreeSet<(Bytes, Addr, BlockIndex)>; BINS]);

impl Bins {
    /// The bin of a size: that of the largest power of two of units that is no larger.
    fn of(size: Bytes) -> usize {
        let units = (size.get() / UNIT.get()).max(1);
        (units.ilog2() as usize).min(BINS - 1)
    }
}

impl FreeIndex for Bins {
    fn insert(&mut self, at: BlockIndex, size: Bytes, addr: Addr) {
        self.0[Self::of(size)].insert((size, addr, at));
    }

    fn remove(&mut self, at: BlockIndex, size: Bytes, addr: Addr) {
        self.0[Self::of(size)].remove(&(size, addr, at));
    }

    fn candidates(&self, size: Bytes) -> impl Iterator<Item = BlockIndex> {
        let least = (size, Addr::default(), BlockIndex(0));
        let bins = self.0[Self::of(size)..].iter();
        bins.flat_map(move |bin| bin.range(least..)).map(|&(_, _, at)| at)
    }
}

/// The rules of one pool.
#[derive(Clone, Debug)]
pub struct Bfc {
    settings: BfcSettings,
    granule: Bytes,
    regions: CutSegments<Bins>,
    /// The sizes of the regions there are.
    sizes: Vec<Bytes>,
    /// The size of the next region.
    next_region: Bytes,
}

impl Bfc {
    /// Takes a region with room for `size`.
    fn extend<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        size: Bytes,
        owner: Owner,
    ) -> Result<BlockIndex, Refusal> {
        let available = holdings.available();
        if available < size {
            return Err(Refusal::Short(size));
        }
        let mut region = self.next_region;
        while region < size {
            region = region + region;
        }
        let asked = region.min(available).round_up(self.granule);
        let extent = holdings.allocate(asked, SizePool::Large, owner);
        let extent = extent.map_err(Refusal::to_give(asked))?;
        // One that had to grow for its request is not followed by a larger one still.
        self.next_region = if region == self.next_region { region + region } else { region };
        self.sizes.push(extent.size());
        Ok(self.regions.add(extent))
    }

    /// Gives back the regions that are wholly free.
    fn give_back<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        holdings.wait_for_all(None)?;
        for at in self.regions.whole_segments() {
            let region = self.regions.block(at).extent();
            holdings.free(region, SizePool::Large, owner)?;
            self.regions.remove(at);
            let gone = self.sizes.iter().position(|&size| size == region.size());
            gone.map(|place| self.sizes.swap_remove(place));
        }
        Ok(())
    }

    /// How much of a block a request gets: all of it, unless that wastes too much.
    fn cut(&self, block: Bytes, size: Bytes) -> Bytes {
        let is_cut = size + size <= block || self.settings.most_uncut <= block - size;
        if is_cut { size } else { block }
    }
}

impl Policy for Bfc {
    type Settings = BfcSettings;
    type Piece = BlockIndex;

    fn new(settings: &BfcSettings, granule: Bytes) -> Self {
        let next_region = settings.first_region.max(granule).round_up(granule);
        let (regions, sizes) = (CutSegments::default(), Vec::new());
        Self { settings: *settings, granule, regions, sizes, next_region }
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
        let at = match self.regions.find(holdings, size, request.stream)? {
            Some(at) => at,
            None => self.extend(holdings, size, request.owner())?,
        };
        let cut = self.cut(self.regions.block(at).size, size);
        let at = self.regions.hand_out(at, cut);
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

    fn reclaim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<bool, DeviceError> {
        let whole = self.regions.whole_segments();
        let free: Bytes = whole.iter().map(|&at| self.regions.block(at).size).sum();
        let can_help = self.rounded(request.size) <= holdings.available() + free;
        if !self.settings.returns_regions || !request.may_move || free.is_zero() || !can_help {
            return Ok(false);
        }
        self.give_back(holdings, request.owner())?;
        Ok(true)
    }

    /// Regions double again from the largest that is left; the original has no such call.
    fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        self.give_back(holdings, owner)?;
        let first = self.settings.first_region.max(self.granule).round_up(self.granule);
        self.next_region = self.sizes.iter().max().map_or(first, |&size| size + size);
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        self.regions.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_double_from_256_bytes_to_256_mebibytes() {
        for (size, bin) in [(256, 0), (511, 0), (512, 1), (768, 1), (1024, 2)] {
            assert_eq!(Bins::of(Bytes::new(size)), bin, "{size}");
        }
        assert_eq!(Bins::of(Bytes::mib(256) - Bytes::new(1)), 19);
        assert_eq!(Bins::of(Bytes::mib(256)), 20);
        assert_eq!(Bins::of(Bytes::gib(64)), 20);
    }
}
