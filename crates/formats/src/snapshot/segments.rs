//! The entries of `segments`, with their blocks.

use gapless_trace::{BlockState, FinalBlock, FinalSegment, SizePool};
use gapless_units::{Addr, Bytes, DeviceId, Extent, PoolId, StreamId};

use super::complaints::Place;
use super::fields::Fields;
use super::{Decoder, numbers};
use crate::document::{Value, View};

/// The extents of a segment of ours that are pinned, each an address and a size.
pub(crate) const PINNED_KEY: &str = "gapless_pinned";

const SEGMENT_KEYS: [&str; 11] = [
    "device",
    "address",
    "total_size",
    "allocated_size",
    "stream",
    "segment_type",
    "segment_pool_id",
    "is_expandable",
    "frames",
    "blocks",
    PINNED_KEY,
];
/// What repeats what the blocks say.
const SEGMENT_SUMS: &[&str] = &["active_size", "requested_size"];
const BLOCK_KEYS: [&str; 6] = ["address", "size", "requested_size", "state", "frames", "history"];
/// A segment up to this size belongs to the small pool where the file does not say.
const SMALL_SEGMENT: u64 = 2 << 20;

/// Where the keys of segments and blocks are.
struct Shared {
    segment: Fields<11>,
    block: Fields<6>,
}

impl Decoder<'_> {
    /// The segments of all devices; `place` is where the list stands.
    pub(super) fn segments(&mut self, place: &str, list: Value) -> Vec<(DeviceId, FinalSegment)> {
        let document = self.document;
        let mut segments = Vec::new();
        let mut shared = Shared {
            segment: Fields::new("segments", SEGMENT_KEYS, SEGMENT_SUMS),
            block: Fields::new("blocks", BLOCK_KEYS, &[]),
        };
        for (index, entry) in document.items(list).enumerate() {
            let place = Place { list: place, index };
            if !self.allowance.take(1) {
                self.complaints.cut_off(|| place.to_string());
                break;
            }
            match self.segment(&mut shared, entry, place) {
                Ok(segment) => segments.push(segment),
                Err(wrong) => self.complaints.skipped(wrong, || place.to_string()),
            }
        }
        shared.segment.complain(document, &mut self.complaints);
        shared.block.complain(document, &mut self.complaints);
        segments
    }

    fn segment(
        &mut self,
        shared: &mut Shared,
        entry: Value,
        place: Place<'_>,
    ) -> Result<(DeviceId, FinalSegment), &'static str> {
        let document = self.document;
        let (allowance, complaints) = (&mut self.allowance, &mut self.complaints);
        let [device, addr, size, allocated, stream, kind, pool, expandable, frames, blocks, pinned] =
            shared.segment.of(document, entry, allowance, complaints);
        let count = |value: Option<Value>| value.and_then(|value| numbers::count(document, value));
        let address = |value: Value| numbers::address(document, value);
        let addr = addr.and_then(address).ok_or("a segment without an address")?;
        let size = count(size).ok_or("a segment without a size")?;
        let stream = stream.map_or(Some(0), address);
        let stream = stream.ok_or("a segment whose stream is no 64-bit number")?;
        let device = if device.is_none() { Some(0) } else { count(device) };
        let device = device.and_then(|device| u32::try_from(device).ok());
        let device = device.ok_or("a segment of an impossible device")?;
        let size_pool = match kind.map(|kind| document.view(kind)) {
            Some(View::Text("small")) => SizePool::Small,
            Some(View::Text(_)) => SizePool::Large,
            _ if size <= SMALL_SEGMENT => SizePool::Small,
            _ => SizePool::Large,
        };
        let segment = FinalSegment {
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId(stream),
            pool: self.pool(pool, place).unwrap_or(PoolId::DEFAULT),
            size_pool,
            expandable: expandable.is_some_and(|flag| numbers::flag(document, flag)),
            allocated: count(allocated).map(Bytes::new),
            stack: self.stack(frames),
            blocks: blocks
                .map(|list| self.blocks(&mut shared.block, addr, list, place))
                .unwrap_or_default(),
            pinned: pinned.map(|list| self.pinned(list, place)).unwrap_or_default(),
        };
        Ok((DeviceId(device), segment))
    }

    /// The pinned extents of a segment.
    fn pinned(&mut self, list: Value, place: Place<'_>) -> Vec<Extent> {
        let document = self.document;
        let mut pinned = Vec::with_capacity(self.allowance.at_most(document.len(list)));
        for (index, entry) in document.items(list).enumerate() {
            let place = || Place { list: &format!("{place}.{PINNED_KEY}"), index }.to_string();
            if !self.allowance.take(1 + document.len(entry)) {
                self.complaints.cut_off(place);
                break;
            }
            let mut parts = document.items(entry);
            let addr = parts.next().and_then(|addr| numbers::address(document, addr));
            let size = parts.next().and_then(|size| numbers::count(document, size));
            let extent = addr.zip(size);
            let extent =
                extent.and_then(|(addr, size)| Extent::new(Addr::new(addr), Bytes::new(size)).ok());
            if let Some(extent) = extent {
                pinned.push(extent);
            } else {
                let what = "pinned pages without an address and a size";
                self.complaints.skipped(what, place);
            }
        }
        pinned
    }

    /// The blocks of a segment; where they have no address each follows the one before.
    fn blocks(
        &mut self,
        fields: &mut Fields<6>,
        segment: u64,
        list: Value,
        place: Place<'_>,
    ) -> Vec<FinalBlock> {
        let document = self.document;
        let mut blocks = Vec::with_capacity(self.allowance.at_most(document.len(list)));
        let mut next = segment;
        for (index, entry) in document.items(list).enumerate() {
            let place = || Place { list: &format!("{place}.blocks"), index }.to_string();
            if !self.allowance.take(1) {
                self.complaints.cut_off(place);
                break;
            }
            match self.block(fields, next, entry) {
                Ok(block) => {
                    next = block.addr.get().saturating_add(block.size.get());
                    blocks.push(block);
                }
                Err(wrong) => self.complaints.skipped(wrong, place),
            }
        }
        blocks
    }

    fn block(
        &mut self,
        fields: &mut Fields<6>,
        next: u64,
        entry: Value,
    ) -> Result<FinalBlock, &'static str> {
        let document = self.document;
        let (allowance, complaints) = (&mut self.allowance, &mut self.complaints);
        let [addr, size, requested, state, frames, history] =
            fields.of(document, entry, allowance, complaints);
        let size = size.and_then(|value| numbers::count(document, value));
        let size = size.ok_or("a block without a size")?;
        let addr = addr.map_or(Some(next), |value| numbers::address(document, value));
        let addr = addr.ok_or("a block whose address is no 64-bit number")?;
        let state = match state.map(|state| document.view(state)) {
            Some(View::Text("active_allocated")) => BlockState::Allocated,
            Some(View::Text("active_pending_free" | "active_awaiting_free")) => {
                BlockState::PendingFree
            }
            Some(View::Text("inactive")) => BlockState::Inactive,
            _ => return Err("a block in an unknown state"),
        };
        // Releases up to 2.0 keep what was asked for, and where, in the newest entry of a history.
        let newest = history.and_then(|history| document.items(history).next());
        let newest = newest.filter(|&newest| self.allowance.take(document.len(newest)));
        let requested = newest
            .and_then(|newest| document.get(newest, "real_size"))
            .or(requested)
            .and_then(|value| numbers::count(document, value));
        let requested = match state {
            BlockState::Inactive => 0,
            BlockState::Allocated | BlockState::PendingFree => requested.unwrap_or(size),
        };
        let frames = frames.or_else(|| newest.and_then(|n| document.get(n, "frames")));
        Ok(FinalBlock {
            addr: Addr::new(addr),
            size: Bytes::new(size),
            requested: Bytes::new(requested),
            state,
            stack: self.stack(frames),
        })
    }
}
