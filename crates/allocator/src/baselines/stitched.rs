//! Stitched blocks: addresses under which memory of several primitive blocks is mapped a second time.

use std::collections::{BTreeMap, BTreeSet};

use gapless_units::{Bytes, Extent, StreamId};

use super::names::BlockIndex;
use super::stamp::Stamp;

/// A stitched block's place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stitch(pub(super) u32);

/// A stitched block.
#[derive(Clone, Debug)]
pub(super) struct Stitched {
    /// Its own addresses.
    pub(super) extent: Extent,
    /// Where its memory is at home, in order.
    pub(super) parts: Vec<Extent>,
    pub(super) stream: StreamId,
    /// How many of its granules are in use, under whatever addresses.
    busy: u64,
    /// The primitive blocks that it is made of while the program has it.
    pub(super) pieces: Vec<BlockIndex>,
    /// Which work may still use its addresses.
    pub(super) stamp: Stamp,
}

impl Stitched {
    /// Where the first `size` bytes of its memory are at home.
    pub(super) fn parts_of(&self, size: Bytes) -> Vec<Extent> {
        let mut missing = size;
        let mut parts = Vec::new();
        for &part in &self.parts {
            if missing.is_zero() {
                break;
            }
            let taken = part.size().min(missing);
            missing -= taken;
            parts.push(Extent::between(part.start(), part.start() + taken));
        }
        parts
    }
}

/// All stitched blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct StitchedBlocks {
    stitched: Vec<Option<Stitched>>,
    vacant: Vec<Stitch>,
    /// Those of which no granule is in use, by stream and size.
    usable: BTreeMap<StreamId, BTreeSet<(Bytes, Stitch)>>,
    /// Those the program has not, the one that was used longest ago first.
    idle: BTreeSet<(u64, Stitch)>,
    bytes: Bytes,
}

impl StitchedBlocks {
    pub(super) fn get(&self, stitch: Stitch) -> Option<&Stitched> {
        self.stitched.get(stitch.0 as usize)?.as_ref()
    }

    /// The sizes of all of them together.
    pub(super) fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// Those that the program has not, the one that was used longest ago first.
    pub(super) fn idle(&self) -> Vec<Stitch> {
        self.idle.iter().map(|&(_, stitch)| stitch).collect()
    }

    /// Whether the program has one.
    pub(super) fn is_held(&self, stitch: Stitch) -> bool {
        self.get(stitch).is_some_and(|stitched| !stitched.pieces.is_empty())
    }

    /// The smallest usable one of at least this size.
    pub(super) fn smallest(&self, size: Bytes, stream: StreamId) -> Option<(Bytes, Stitch)> {
        self.usable.get(&stream)?.range((size, Stitch(0))..).next().copied()
    }

    /// Adds one over these parts, usable and not in use; its granules count as in use once they are
    /// marked so.
    pub(super) fn add(&mut self, extent: Extent, parts: Vec<Extent>, stream: StreamId) -> Stitch {
        let (busy, pieces, stamp) = (0, Vec::new(), Stamp::UNUSED);
        let stitched = Some(Stitched { extent, parts, stream, busy, pieces, stamp });
        self.bytes += extent.size();
        let stitch = if let Some(stitch) = self.vacant.pop() {
            self.stitched[stitch.0 as usize] = stitched;
            stitch
        } else {
            self.stitched.push(stitched);
            Stitch(u32::try_from(self.stitched.len() - 1).unwrap_or(u32::MAX))
        };
        self.usable.entry(stream).or_default().insert((extent.size(), stitch));
        self.idle.insert((0, stitch));
        stitch
    }

    /// Notes that the program has one, made of these pieces.
    pub(super) fn hand_out(&mut self, stitch: Stitch, pieces: Vec<BlockIndex>) {
        if let Some(stitched) = self.get_mut(stitch) {
            let time = stitched.stamp.time;
            stitched.pieces = pieces;
            self.idle.remove(&(time, stitch));
        }
    }

    /// Notes that the program gave one back; answers its pieces.
    pub(super) fn take_back(&mut self, stitch: Stitch, stamp: Stamp) -> Vec<BlockIndex> {
        let Some(stitched) = self.get_mut(stitch) else { return Vec::new() };
        stitched.stamp = stamp;
        let pieces = std::mem::take(&mut stitched.pieces);
        self.idle.insert((stamp.time, stitch));
        pieces
    }

    /// Forgets one that the program has not.
    pub(super) fn remove(&mut self, stitch: Stitch) -> Option<Stitched> {
        let removed = self.stitched.get_mut(stitch.0 as usize)?.take()?;
        self.bytes -= removed.extent.size();
        self.idle.remove(&(removed.stamp.time, stitch));
        let key = (removed.extent.size(), stitch);
        self.usable.entry(removed.stream).or_default().remove(&key);
        self.vacant.push(stitch);
        Some(removed)
    }

    /// Notes that one of its granules is in use from now on.
    pub(super) fn occupy(&mut self, stitch: Stitch) {
        let Some(stitched) = self.get_mut(stitch) else { return };
        stitched.busy += 1;
        if stitched.busy == 1 {
            let (key, stream) = ((stitched.extent.size(), stitch), stitched.stream);
            self.usable.entry(stream).or_default().remove(&key);
        }
    }

    /// Notes that one of its granules is in use no longer.
    pub(super) fn vacate(&mut self, stitch: Stitch) {
        let Some(stitched) = self.get_mut(stitch) else { return };
        stitched.busy -= 1;
        if stitched.busy == 0 {
            let (key, stream) = ((stitched.extent.size(), stitch), stitched.stream);
            self.usable.entry(stream).or_default().insert(key);
        }
    }

    fn get_mut(&mut self, stitch: Stitch) -> Option<&mut Stitched> {
        self.stitched.get_mut(stitch.0 as usize)?.as_mut()
    }
}
