//! The entries of `segments`, with their blocks.

use gapless_trace::{BlockState, FinalBlock, FinalSegment, SizePool, StackId};
use gapless_units::{Addr, Bytes, DeviceId, PoolId, StreamId};

use super::events::pool_id;
use super::{Decoder, numbers};
use crate::document::{Value, View};

/// The keys of a segment that gapless uses, or that repeat what its blocks say.
const SEGMENT_KEYS: [&str; 12] = [
    "device",
    "address",
    "total_size",
    "allocated_size",
    "active_size",
    "requested_size",
    "stream",
    "segment_type",
    "segment_pool_id",
    "is_expandable",
    "frames",
    "blocks",
];
/// A segment up to this size belongs to the small pool where the file does not say.
const SMALL_SEGMENT: u64 = 2 << 20;

impl Decoder<'_> {
    /// The segments of all devices; `place` is where the list stands.
    pub(super) fn segments(&mut self, place: &str, list: Value) -> Vec<(DeviceId, FinalSegment)> {
        let mut segments = Vec::new();
        for (index, entry) in self.document.items(list).enumerate() {
            for (key, _) in self.document.entries(entry) {
                if !SEGMENT_KEYS.contains(&key) {
                    self.complaints.unknown_key("segments", key);
                }
            }
            let place = format!("{place}[{index}]");
            match self.segment(&place, entry) {
                Ok(segment) => segments.push(segment),
                Err(wrong) => self.complaints.skipped(wrong, || place),
            }
        }
        segments
    }

    fn segment(
        &mut self,
        place: &str,
        entry: Value,
    ) -> Result<(DeviceId, FinalSegment), &'static str> {
        let document = self.document;
        let get = |key| document.get(entry, key);
        let count = |key| get(key).and_then(|value| numbers::count(document, value));
        let addr = get("address").and_then(|value| numbers::address(document, value));
        let addr = addr.ok_or("a segment without an address")?;
        let size = count("total_size").ok_or("a segment without a size")?;
        let stream = get("stream").and_then(|value| numbers::address(document, value));
        let device = count("device").unwrap_or(0);
        let device = u32::try_from(device).map_err(|_| "a segment of an impossible device")?;
        let size_pool = match get("segment_type").map(|value| document.view(value)) {
            Some(View::Text("small")) => SizePool::Small,
            Some(View::Text(_)) => SizePool::Large,
            _ if size <= SMALL_SEGMENT => SizePool::Small,
            _ => SizePool::Large,
        };
        let stack = get("frames")
            .map_or(StackId::NONE, |list| self.frames.stack(document, list, &mut self.stacks));
        let segment = FinalSegment {
            addr: Addr::new(addr),
            size: Bytes::new(size),
            stream: StreamId(stream.unwrap_or(0)),
            pool: get("segment_pool_id")
                .and_then(|pair| pool_id(document, pair))
                .unwrap_or(PoolId::DEFAULT),
            size_pool,
            expandable: get("is_expandable").map(|flag| document.view(flag))
                == Some(View::Bool(true)),
            allocated: count("allocated_size").map(Bytes::new),
            stack,
            blocks: get("blocks").map(|list| self.blocks(place, addr, list)).unwrap_or_default(),
        };
        Ok((DeviceId(device), segment))
    }

    /// The blocks of a segment; where they have no address each follows the one before.
    fn blocks(&mut self, place: &str, segment: u64, list: Value) -> Vec<FinalBlock> {
        let mut blocks = Vec::with_capacity(self.document.len(list).min(1 << 16));
        let mut next = segment;
        for (index, entry) in self.document.items(list).enumerate() {
            match self.block(next, entry) {
                Ok(block) => {
                    next = block.addr.get().saturating_add(block.size.get());
                    blocks.push(block);
                }
                Err(wrong) => {
                    self.complaints.skipped(wrong, || format!("{place}.blocks[{index}]"));
                }
            }
        }
        blocks
    }

    fn block(&mut self, next: u64, entry: Value) -> Result<FinalBlock, &'static str> {
        let document = self.document;
        let get = |key| document.get(entry, key);
        let size = get("size").and_then(|value| numbers::count(document, value));
        let size = size.ok_or("a block without a size")?;
        let addr = get("address").map_or(Some(next), |value| numbers::address(document, value));
        let state = match get("state").map(|value| document.view(value)) {
            Some(View::Text("active_allocated")) => BlockState::Allocated,
            Some(View::Text("active_pending_free" | "active_awaiting_free")) => {
                BlockState::PendingFree
            }
            Some(View::Text("inactive")) => BlockState::Inactive,
            _ => return Err("a block in an unknown state"),
        };
        // Releases up to 2.0 keep what was asked for, and where, in the newest entry of a history.
        let newest = get("history").and_then(|history| document.items(history).next());
        let requested = newest
            .and_then(|newest| document.get(newest, "real_size"))
            .or_else(|| get("requested_size"))
            .and_then(|value| numbers::count(document, value));
        let frames = get("frames").or_else(|| newest.and_then(|n| document.get(n, "frames")));
        Ok(FinalBlock {
            addr: Addr::new(addr.ok_or("a block whose address is no 64-bit number")?),
            size: Bytes::new(size),
            requested: Bytes::new(if state == BlockState::Inactive {
                0
            } else {
                requested.unwrap_or(size)
            }),
            state,
            stack: frames
                .map_or(StackId::NONE, |list| self.frames.stack(document, list, &mut self.stacks)),
        })
    }
}
