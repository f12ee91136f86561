//! The allocator's state, and its life, as a recording tells them.

use gapless_trace::{
    BlockState, DeviceRecording, Events, FinalBlock, FinalSegment, Recording, Settings, SizePool,
    StackId,
};
use gapless_units::{Addr, Bytes, DeviceId, Extent};

use super::block::State;
use super::books::Books;
use super::names::{BlockIndex, Slot, are_neighbors};
use crate::observer::{Happening, Observer, Recorder};

fn events_of(failure: Option<Happening>) -> Events {
    let mut recorder = Recorder::default();
    if let Some(failure) = failure {
        recorder.observe(failure);
    }
    recorder.events
}

impl<O: Observer> Books<O> {
    /// A recording of the allocator: its life, where the observer wrote it down, else only a request
    /// that failed, and its segments now.
    pub(super) fn recording(&self, failure: Option<Happening>) -> Recording {
        let events = self.observer.events().cloned().unwrap_or_else(|| events_of(failure));
        let device = DeviceRecording {
            device: DeviceId(0),
            settings: Some(self.snapshot_settings()),
            events,
            end: Some(self.segments()),
            annotations: Vec::new(),
        };
        let stacks = self.observer.stacks().cloned().unwrap_or_default();
        let failed_in_capture = self.failed_in_capture;
        Recording { failed_in_capture, ..Recording::of_one(device, stacks) }
    }

    /// What its segments are like, in PyTorch's words.
    pub(super) fn snapshot_settings(&self) -> Settings {
        Settings {
            text: "expandable_segments:True".to_owned(),
            expandable_segments: true,
            page_size: Some(self.table.page_size),
            ..Settings::default()
        }
    }

    /// Every run of slots with memory, as an expandable segment with its blocks, by address.
    pub(super) fn segments(&self) -> Vec<FinalSegment> {
        let mut segments = Vec::new();
        for (index, reservation) in self.table.reservations() {
            let active = self.table.slots(index).filter(|&slot| self.table.has_memory(slot));
            let active: Vec<_> = active.collect();
            let mut first = reservation.first;
            for run in active.chunk_by(are_neighbors) {
                let extent = self.table.span_of(run);
                let ends_behind = |&at: &BlockIndex| extent.start() < self.blocks[at].end();
                first = self.blocks.from(first).find(ends_behind).unwrap_or(first);
                let mut segment = self.segment(extent, first);
                segment.pinned = self.pinned_of(run);
                segments.push(segment);
            }
        }
        segments.sort_by_key(|segment| segment.addr);
        segments
    }

    /// A run of slots with memory, with the blocks in it from the first on.
    fn segment(&self, extent: Extent, first: BlockIndex) -> FinalSegment {
        let arena = &self.arenas[self.blocks[first].arena];
        let blocks = self.blocks.from(first);
        let inside = blocks.take_while(|&at| self.blocks[at].addr < extent.end());
        let blocks: Vec<FinalBlock> = inside.map(|at| self.final_block(at, extent)).collect();
        let held = blocks.iter().filter(|block| block.state == BlockState::Allocated);
        FinalSegment {
            addr: extent.start(),
            size: extent.size(),
            stream: arena.stream,
            pool: arena.pool,
            size_pool: SizePool::Large,
            expandable: true,
            allocated: Some(held.map(|block| block.size).sum::<Bytes>()),
            stack: StackId::default(),
            blocks,
            pinned: Vec::new(),
        }
    }

    /// The pinned ones of a run of slots.
    fn pinned_of(&self, run: &[Slot]) -> Vec<Extent> {
        let is_pinned = |&slot: &Slot| 0 < self.table.slot(slot).pins;
        let runs = run.chunk_by(|a, b| is_pinned(a) == is_pinned(b));
        runs.filter(|run| is_pinned(&run[0])).map(|run| self.table.span_of(run)).collect()
    }

    /// The part of a block that lies in a segment: all of it, unless it is free.
    fn final_block(&self, at: BlockIndex, segment: Extent) -> FinalBlock {
        let block = &self.blocks[at];
        let start: Addr = block.addr.max(segment.start());
        let end = block.end().min(segment.end());
        FinalBlock {
            addr: start,
            size: end - start,
            requested: block.requested,
            state: match block.state {
                State::Held => BlockState::Allocated,
                State::Pending => BlockState::PendingFree,
                State::Serving | State::Shelved | State::Free | State::Gone => BlockState::Inactive,
            },
            stack: StackId::default(),
        }
    }
}
