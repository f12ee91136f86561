//! What is known of a program from outside the allocator, and what has to be true of it.

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::baselines::{Baseline, BlockId, Policy};
use gapless_allocator::{AllocationError, Allocator, FreeError};
use gapless_device::{Device, DeviceError, Faulty, Handle};
use gapless_units::{Addr, Bytes, Extent, PoolId, StreamId};

use crate::counted::check_counts;
use crate::program::{STREAMS, Step};
use crate::tally::Tally;
use crate::watched::{Piece, Watched, handles};

/// The pool whose memory is its own.
const PRIVATE: PoolId = PoolId(0, 1);

/// A block the program holds.
#[derive(Clone, Debug)]
struct Held {
    block: BlockId,
    extent: Extent,
    pieces: Vec<Piece>,
    requested: Bytes,
    stream: StreamId,
    /// Other streams that used it.
    uses: BTreeSet<StreamId>,
}

/// A block given back while other streams may still use it.
#[derive(Clone, Debug)]
struct Lingering {
    extent: Extent,
    requested: Bytes,
    streams: BTreeSet<StreamId>,
    freed: u64,
}

#[derive(Debug)]
pub(crate) struct Shadow<P: Policy> {
    pub(crate) allocator: Baseline<P, Faulty<Watched>, Tally>,
    held: Vec<Held>,
    lingering: Vec<Lingering>,
    stale: Option<BlockId>,
    /// The memory under each granule that a block of the private pool ever touched.
    private: BTreeMap<Addr, Handle>,
    has_ended: bool,
    /// Whether an operation of the current step reported an injected fault.
    reported: bool,
    /// How many requests the device was too small for.
    pub(crate) refused: u64,
}

impl<P: Policy> Shadow<P> {
    pub(crate) fn new(capacity: Bytes, settings: P::Settings) -> Self {
        Self {
            allocator: Baseline::new(
                Faulty::new(Watched::new(capacity, u64::MAX)),
                settings,
                Tally::default(),
            ),
            held: Vec::new(),
            lingering: Vec::new(),
            stale: None,
            private: BTreeMap::new(),
            has_ended: false,
            reported: false,
            refused: 0,
        }
    }

    /// Does a step, and sees that a fault in it was reported.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), String> {
        let failed = self.allocator.device().failed();
        self.reported = false;
        self.perform(step)?;
        let faulted = failed < self.allocator.device().failed();
        if faulted != self.reported {
            return Err(format!("fault injected: {faulted}, reported: {}", self.reported));
        }
        self.forget_what_is_done();
        Ok(())
    }

    fn perform(&mut self, step: Step) -> Result<(), String> {
        let count = self.held.len();
        match step {
            Step::Allocate { size, stream, private } => {
                let pool = if private { PRIVATE } else { PoolId::DEFAULT };
                return self.allocate(Bytes::new(size), StreamId(stream), pool);
            }
            Step::Free(which) if 0 < count => return self.free(which % count),
            Step::FreeTwice => return self.free_twice(),
            Step::Use { which, stream } if 0 < count => {
                let held = &mut self.held[which % count];
                let stream = StreamId(stream);
                self.allocator.record_stream(held.block, stream).map_err(told)?;
                self.allocator.device_mut().device_mut().queue(stream, held.extent);
                if stream != held.stream {
                    held.uses.insert(stream);
                }
            }
            Step::FinishStream(stream) => {
                self.allocator.device_mut().device_mut().finish_stream(StreamId(stream));
            }
            Step::FinishAll => self.finish_all(),
            Step::Synchronize => {
                self.finish_all();
                let answer = self.allocator.note_synchronized();
                return self.absorb(answer);
            }
            Step::EmptyCache => {
                let answer = self.allocator.empty_cache();
                return self.absorb(answer);
            }
            Step::EndPool => {
                self.allocator.end_pool(PRIVATE);
                self.private.clear();
                self.has_ended = true;
            }
            Step::Free(_) | Step::Use { .. } => {}
        }
        Ok(())
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId, pool: PoolId) -> Result<(), String> {
        let failures = self.allocator.observer().failures;
        let (waits, stalls) = (self.allocator.device().device().waits, self.allocator.stalls());
        let answer = self.allocator.allocate_in(pool, size, stream);
        let has_failed = matches!(answer, Err(AllocationError::Device(_)));
        let has_waited = waits < self.allocator.device().device().waits;
        if has_waited && !has_failed && self.allocator.stalls() == stalls {
            return Err(format!("{size} waited for the device, which no stall tells"));
        }
        let block = match answer {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => {
                self.refused += 1;
                if self.allocator.observer().failures != failures + 1 {
                    return Err("a failure was not told".to_owned());
                }
                return self.check_refusal(size);
            }
            Err(AllocationError::Device(error)) => return self.absorb(Err(error)),
            Err(error) => return Err(told(error)),
        };
        let extent = self.allocator.extent(block).ok_or("a new block is not known")?;
        if extent.size() < size || extent.start().get() % 256 != 0 {
            return Err(format!("{extent:?} for {size} is too small or begins oddly"));
        }
        let device = self.allocator.device_mut().device_mut();
        let pieces = device.pieces(extent).ok_or(format!("{extent:?} lacks memory"))?;
        if let Some(work) = device.in_use_by_others(stream, &pieces) {
            return Err(format!("{extent:?}, {pieces:?} for {stream:?} is in use by {work}"));
        }
        device.queue(stream, extent);
        if pool == PRIVATE && !self.has_ended {
            self.private.extend(device.granules(extent));
        } else {
            let own = self.private.values().copied().collect();
            if !handles(&pieces).is_disjoint(&own) {
                return Err(format!("{extent:?} lies on memory of a private pool"));
            }
        }
        let uses = BTreeSet::new();
        self.held.push(Held { block, extent, pieces, requested: size, stream, uses });
        Ok(())
    }

    /// A request may fail only for want of memory: what is a quarter of the device can be had where
    /// nobody holds anything.
    fn check_refusal(&mut self, size: Bytes) -> Result<(), String> {
        self.forget_what_is_done();
        let is_free = self.held.is_empty() && self.private.is_empty();
        if !self.lingering.is_empty() {
            return Err(format!("{size} was refused before all blocks were waited for"));
        }
        if is_free && size.get() < self.allocator.device().memory().total.get() / 4 {
            return Err(format!("{size} was refused while nobody held anything"));
        }
        Ok(())
    }

    fn free(&mut self, which: usize) -> Result<(), String> {
        let block = self.held[which].block;
        let freed = self.allocator.device_mut().device_mut().next_tick();
        match self.allocator.free(block) {
            Ok(()) => {}
            // The program has the block as before.
            Err(FreeError::Device(error)) => return self.absorb(Err(error)),
            Err(error) => return Err(told(error)),
        }
        let Held { extent, requested, uses, .. } = self.held.swap_remove(which);
        self.stale = Some(block);
        if !uses.is_empty() {
            self.lingering.push(Lingering { extent, requested, streams: uses, freed });
        }
        Ok(())
    }

    fn free_twice(&mut self) -> Result<(), String> {
        let Some(stale) = self.stale else { return Ok(()) };
        match self.allocator.free(stale) {
            Err(FreeError::NotAllocated) => Ok(()),
            answer => Err(format!("a block is freed twice: {answer:?}")),
        }
    }

    fn finish_all(&mut self) {
        for stream in (0..STREAMS).map(StreamId) {
            self.allocator.device_mut().device_mut().finish_stream(stream);
        }
    }

    /// Lets an injected fault pass and nothing else.
    fn absorb(&mut self, answer: Result<(), DeviceError>) -> Result<(), String> {
        match answer {
            Ok(()) => Ok(()),
            Err(DeviceError::Driver { .. }) => {
                self.reported = true;
                Ok(())
            }
            Err(error) => Err(told(error)),
        }
    }

    fn forget_what_is_done(&mut self) {
        let device = self.allocator.device().device();
        self.lingering.retain(|block| {
            let done = |&stream: &StreamId| device.is_done(stream, block.freed);
            !block.streams.iter().all(done)
        });
    }

    /// What has to be true between any two steps.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.allocator.check_invariants().map_err(told)?;
        let device = self.allocator.device().device();
        if let Some(complaint) = &device.complaint {
            return Err(complaint.clone());
        }
        let mut used: Vec<Piece> = Vec::new();
        for held in &self.held {
            if device.pieces(held.extent).as_ref() != Some(&held.pieces) {
                return Err(format!("other memory than before lies under {held:?}"));
            }
            used.extend(&held.pieces);
        }
        for block in &self.lingering {
            used.extend(device.pieces(block.extent).ok_or("a block in use lost its memory")?);
        }
        used.sort_unstable();
        if let Some(pair) = used.windows(2).find(|pair| pair[0].overlaps(&pair[1])) {
            return Err(format!("two blocks share memory: {pair:?}"));
        }
        // A captured graph may use these addresses again.
        for (&at, &memory) in &self.private {
            if device.handle_at(at) != Some(memory) {
                return Err(format!("{memory:?} of a private pool went away from {at:?}"));
            }
        }
        self.check_sums()
    }

    fn check_sums(&self) -> Result<(), String> {
        let given = self.allocator.device().device().given();
        let statistics = self.allocator.statistics();
        let sum = |size: fn(&Held) -> Bytes| self.held.iter().map(size).sum::<Bytes>().get();
        let sums = [
            ("allocation", statistics.allocation, self.held.len() as u64),
            ("allocated_bytes", statistics.allocated_bytes, sum(|held| held.extent.size())),
            ("reserved_bytes", statistics.reserved_bytes, given.get()),
        ];
        check_counts(&sums)?;
        let tally = self.allocator.observer();
        if let Some(absurd) = &tally.absurd {
            return Err(absurd.clone());
        }
        // Memory that a failed try left without an address is held and not told.
        let device = self.allocator.device().device();
        let has_failed =
            0 < self.allocator.device().failed() + device.waits + statistics.num_alloc_retries;
        let told = Bytes::new(u64::try_from(tally.reserved).unwrap_or(u64::MAX));
        if given < told || told < given && !has_failed {
            return Err(format!("the observer was told of {told}, {given} are held"));
        }
        Ok(())
    }

    /// What has to be true once everything that is done was noticed: also pending blocks count.
    pub(crate) fn check_active(&mut self) -> Result<(), String> {
        self.reported = false;
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
        self.check()
    }

    /// Gives everything back, and looks whether that is everything.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.allocator.device_mut().fail(0..0);
        while !self.held.is_empty() {
            self.step(Step::Free(0))?;
        }
        self.step(Step::EndPool)?;
        self.step(Step::FinishAll)?;
        self.step(Step::EmptyCache)?;
        self.check_active()?;
        let device = self.allocator.device().device();
        if !device.given().is_zero() || device.has_mappings() {
            return Err(format!("{} never went back", device.given()));
        }
        Ok(())
    }
}

pub(crate) fn told(error: impl std::error::Error) -> String {
    error.to_string()
}
