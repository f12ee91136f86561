//! Small blocks for policies that map whole granules: PyTorch's rule for its small pool, with
//! segments of one granule and best fit. Unlike there, streams share the segments.

use gapless_device::{Device, DeviceError};
use gapless_trace::SizePool;
use gapless_units::{Bytes, Extent};

use super::cut_segments::{BySize, CutSegments};
use super::holdings::{Holdings, Owner};
use super::names::BlockIndex;
use super::policy::{Refusal, Request};
use super::stamp::Stamp;
use crate::observer::Observer;

/// Blocks begin and end at multiples of this, as PyTorch's do.
pub(super) const UNIT: Bytes = Bytes::new(512);

/// Segments of one granule each.
#[derive(Clone, Debug)]
pub(super) struct SmallBlocks {
    segments: CutSegments<BySize>,
    segment_size: Bytes,
}

impl SmallBlocks {
    pub(super) fn new(granule: Bytes) -> Self {
        Self { segments: CutSegments::default(), segment_size: granule }
    }

    /// A block for a request that is no larger than a granule.
    pub(super) fn take<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        request: Request,
    ) -> Result<(BlockIndex, Extent), Refusal> {
        let size = rounded(request.size);
        let at = if let Some(at) = self.segments.find(holdings, size, request.stream)? {
            at
        } else {
            let segment = holdings.allocate(self.segment_size, SizePool::Small, request.owner());
            self.segments.add(segment.map_err(Refusal::to_give(self.segment_size))?)
        };
        let at = self.segments.hand_out(at, size);
        Ok((at, self.segments.block(at).extent()))
    }

    pub(super) fn give(&mut self, at: BlockIndex, stamp: Stamp) {
        self.segments.take_back(at, stamp);
    }

    /// Gives segments back that are wholly free, all work being waited for.
    pub(super) fn trim<D: Device, O: Observer>(
        &mut self,
        holdings: &mut Holdings<D, O>,
        owner: Owner,
    ) -> Result<(), DeviceError> {
        for at in self.segments.whole_segments() {
            holdings.free(self.segments.block(at).extent(), SizePool::Small, owner)?;
            self.segments.remove(at);
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.segments.check()
    }
}

/// The block that a small request becomes.
pub(super) fn rounded(size: Bytes) -> Bytes {
    size.max(Bytes::new(1)).round_up(UNIT)
}
