//! What the allocator claims of itself: its segments and its statistics.

use std::collections::BTreeMap;

use gapless_trace::BlockState;
use gapless_units::Bytes;

use super::{Held, Shadow};
use crate::counted::check_counts;
use crate::subject::Subject;
use crate::watched::Watched;

impl<S: Subject> Shadow<S> {
    /// The snapshot shows each block the program holds, on memory, and all of a segment's bytes.
    pub(crate) fn check_segments(&mut self) -> Result<(), String> {
        let segments = self.allocator.segments();
        let mut held = BTreeMap::new();
        for segment in &segments {
            let mut end = segment.addr;
            for block in &segment.blocks {
                if block.addr != end {
                    return Err(format!("{segment:?} is not all blocks"));
                }
                end = block.addr + block.size;
                if block.state == BlockState::Allocated {
                    held.insert(block.addr, (block.size, block.requested));
                }
            }
            if end != segment.addr + segment.size {
                return Err(format!("{segment:?} is not all blocks"));
            }
        }
        let known = self.held.iter();
        let mut known: BTreeMap<_, _> =
            known.map(|it| (it.extent.start(), (it.extent.size(), it.requested))).collect();
        if !S::TELLS_REQUESTS {
            for (_, requested) in held.values_mut().chain(known.values_mut()) {
                *requested = Bytes::ZERO;
            }
        }
        if held != known {
            return Err("the snapshot shows other blocks than are held".to_owned());
        }
        let shown: Bytes = segments.iter().map(|segment| segment.size).sum();
        if self.allocator.reserved() < shown {
            return Err(format!("{shown} are shown, {} reserved", self.allocator.reserved()));
        }
        Ok(())
    }

    pub(super) fn check_sums(&self) -> Result<(), String> {
        let given = self.watched(|device| Watched::given(device));
        let statistics = self.allocator.statistics();
        let sum =
            |size: fn(&Held<S::Block>) -> Bytes| self.held.iter().map(size).sum::<Bytes>().get();
        let sums = [
            ("allocation", statistics.allocation, self.held.len() as u64),
            ("allocated_bytes", statistics.allocated_bytes, sum(|held| held.extent.size())),
            ("reserved_bytes", statistics.reserved_bytes, given.get()),
        ];
        check_counts(&sums)?;
        if self.allocator.reserved() != given {
            return Err(format!("the device gave {given}, unlike {}", self.allocator.reserved()));
        }
        Ok(())
    }

    /// What has to be true once everything that is done was noticed: also pending blocks count.
    pub(crate) fn check_active(&mut self) -> Result<(), String> {
        self.reported = false;
        if 0 < self.captures {
            return self.check();
        }
        let answer = self.allocator.process_events();
        self.absorb(answer)?;
        if self.reported {
            return self.check();
        }
        let held = self.held.iter().map(|held| (held.extent, held.requested));
        let pending = self.lingering.iter().map(|block| (block.extent, block.requested));
        let active: Vec<_> = held.chain(pending).collect();
        let bytes = active.iter().map(|(extent, _)| extent.size()).sum::<Bytes>();
        let requested = active.iter().map(|&(_, requested)| requested).sum::<Bytes>();
        let statistics = self.allocator.statistics();
        let sums = [
            ("active", statistics.active, active.len() as u64),
            ("active_bytes", statistics.active_bytes, bytes.get()),
            ("requested_bytes", statistics.requested_bytes, requested.get()),
        ];
        check_counts(&sums)?;
        if self.allocator.live().is_some_and(|live| live != bytes) {
            return Err(format!("{bytes} are alive, unlike {:?}", self.allocator.live()));
        }
        self.check()
    }
}
