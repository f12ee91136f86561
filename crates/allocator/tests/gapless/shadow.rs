//! What is known of a program from outside the allocator, and what has to be true of it.

mod claims;
mod told_of;

use std::collections::{BTreeMap, BTreeSet};

use gapless_allocator::{AllocationError, FreeError, PageSize};
use gapless_device::{Device, DeviceError, Faulty, Handle, Locked};
use gapless_units::{Addr, Bytes, DeviceId, Extent, PoolId, StreamId};

use crate::program::{Circumstances, STREAMS, Step};
use crate::subject::{Subject, TestDevice};
use crate::watched::{Piece, Watched, handles};

/// The pool whose pages stay where they are.
const PRIVATE: PoolId = PoolId(0, 1);

/// A block the program holds.
#[derive(Debug)]
struct Held<B> {
    block: B,
    extent: Extent,
    pieces: Vec<Piece>,
    requested: Bytes,
    stream: StreamId,
    /// Other streams that used it.
    uses: BTreeSet<StreamId>,
    /// All streams that it was told of, its own perhaps among them.
    told_of: BTreeSet<StreamId>,
}

/// When a block is given back whose uses nobody asks about as long as a graph is captured.
const BEHIND_THE_CAPTURE: u64 = u64::MAX;

/// A block given back while other streams may still use it.
#[derive(Clone, Debug)]
struct Lingering {
    extent: Extent,
    requested: Bytes,
    streams: BTreeSet<StreamId>,
    freed: u64,
}

#[derive(Debug)]
pub(crate) struct Shadow<S: Subject> {
    allocator: S,
    device: TestDevice,
    page: PageSize,
    held: Vec<Held<S::Block>>,
    lingering: Vec<Lingering>,
    /// Extents that are pinned, with the memory that was under their granules.
    pinned: Vec<(Extent, Vec<(Addr, Handle)>)>,
    /// The memory under each granule that a block of the private pool ever touched.
    private: BTreeMap<Addr, Handle>,
    /// How many graphs are being captured.
    captures: u32,
    /// What lay under free and other addresses when the first began.
    before_capture: Vec<(Addr, Handle)>,
    /// Whether an operation of the current step reported an injected fault.
    reported: bool,
    /// How many requests the device was too small for.
    pub(crate) refused: u64,
}

impl<S: Subject> Shadow<S> {
    pub(crate) fn new(circumstances: Circumstances) -> Self {
        let Circumstances { capacity, slack, page, mappings } = circumstances;
        let device = Locked::new(Faulty::new(Watched::new(capacity, mappings)));
        Self {
            allocator: S::new(device.clone(), page, slack),
            device,
            page,
            held: Vec::new(),
            lingering: Vec::new(),
            pinned: Vec::new(),
            private: BTreeMap::new(),
            captures: 0,
            before_capture: Vec::new(),
            reported: false,
            refused: 0,
        }
    }

    /// What is asked of the device that lets calls fail.
    pub(crate) fn faults<T>(&self, ask: impl FnOnce(&mut Faulty<Watched>) -> T) -> T {
        self.device.with(ask)
    }

    /// What is asked of the device behind.
    pub(crate) fn watched<T>(&self, ask: impl FnOnce(&mut Watched) -> T) -> T {
        self.device.with(|faulty| ask(faulty.device_mut()))
    }

    /// Does a step, and sees that a fault in it was reported.
    pub(crate) fn step(&mut self, step: Step) -> Result<(), String> {
        let failed = self.faults(|it| it.failed());
        self.reported = false;
        self.perform(step)?;
        let faulted = failed < self.faults(|it| it.failed());
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
                let stream = StreamId(stream);
                self.watched(|device| device.sim.make_stream(stream));
                let held = &mut self.held[which % count];
                let extent = held.extent;
                self.allocator.record_stream(&mut held.block, stream).map_err(told)?;
                held.told_of.insert(stream);
                if stream != held.stream {
                    held.uses.insert(stream);
                }
                self.watched(|device| device.queue(stream, extent));
            }
            Step::FinishStream(stream) => {
                self.watched(|device| device.finish_stream(StreamId(stream)));
            }
            Step::FinishAll => self.finish_all(),
            Step::Trim(keep) => {
                let answer = self.allocator.trim(Bytes::mib(keep));
                return self.absorb(answer);
            }
            Step::EmptyCache => {
                let answer = self.allocator.trim(Bytes::ZERO);
                return self.absorb(answer);
            }
            Step::Pin(which) if 0 < count => {
                let extent = self.allocator.pin(&self.held[which % count].block).map_err(told)?;
                let granules = self.watched(|device| device.granules(extent));
                self.pinned.push((extent, granules));
            }
            Step::Unpin(which) if !self.pinned.is_empty() => {
                let (extent, _) = self.pinned.swap_remove(which % self.pinned.len());
                if !self.allocator.unpin(extent) {
                    return Err(format!("{extent:?} was pinned and nobody knows"));
                }
            }
            Step::EndPool => {
                self.allocator.end_pool(PRIVATE);
                self.private.clear();
            }
            Step::EnablePeer(peer) => return self.enable_peer(DeviceId(peer)),
            Step::BeginCapture => self.begin_capture(),
            Step::EndCapture => return self.end_capture(),
            Step::EndStream(stream) => return self.end_stream(StreamId(stream)),
            Step::Change(slack) => self.allocator.set_slack(slack),
            Step::Free(_) | Step::Use { .. } | Step::Pin(_) | Step::Unpin(_) => {}
        }
        Ok(())
    }

    fn allocate(&mut self, size: Bytes, stream: StreamId, pool: PoolId) -> Result<(), String> {
        self.watched(|device| device.sim.make_stream(stream));
        let block = match self.allocator.allocate(pool, size, stream) {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => {
                self.refused += 1;
                return self.check_refusal(size);
            }
            Err(AllocationError::Device(error)) => return self.absorb(Err(error)),
            Err(error) => return Err(told(error)),
        };
        let extent = self.allocator.extent(&block).ok_or("a new block is not known")?;
        if extent.size() < size || extent.start().get() % 512 != 0 {
            return Err(format!("{extent:?} for {size} is too small or begins oddly"));
        }
        let pieces = self.watched(|device| {
            let pieces = device.pieces(extent).ok_or(format!("{extent:?} lacks memory"))?;
            if let Some(work) = device.in_use_by_others(stream, &pieces) {
                return Err(format!("{extent:?}, {pieces:?} for {stream:?} is in use by {work}"));
            }
            device.queue(stream, extent);
            Ok(pieces)
        })?;
        if pool == PRIVATE {
            let granules = self.watched(|device| device.granules(extent));
            self.private.extend(granules);
        }
        let (uses, told_of) = (BTreeSet::new(), BTreeSet::new());
        self.held.push(Held { block, extent, pieces, requested: size, stream, uses, told_of });
        Ok(())
    }

    /// A request may fail only where too few pages are free, all work being waited for.
    fn check_refusal(&mut self, size: Bytes) -> Result<(), String> {
        if 0 < self.captures {
            return self.check_refusal_in_capture(size);
        }
        self.forget_what_is_done();
        if !self.lingering.is_empty() {
            return Err(format!("{size} was refused before all blocks were waited for"));
        }
        let mut bound: BTreeSet<Handle> = self.private.values().copied().collect();
        bound.extend(self.pinned.iter().flat_map(|(_, pages)| pages).map(|&(_, page)| page));
        bound.extend(self.held.iter().flat_map(|held| handles(&held.pieces)));
        let memory = self.device.memory();
        let page = self.page.over(self.device.granule()).get();
        let usable = memory.total.get() / page - bound.len() as u64;
        // Wherever a block begins, it touches at most one page more than it fills.
        if size.get().div_ceil(page) < usable {
            return Err(format!("{size} was refused while {usable} pages could be had"));
        }
        Ok(())
    }

    fn free(&mut self, which: usize) -> Result<(), String> {
        let Held { block, extent, pieces, requested, stream, uses, told_of } =
            self.held.swap_remove(which);
        let mut freed = self.watched(Watched::next_tick);
        if 0 < self.captures {
            freed = BEHIND_THE_CAPTURE;
        }
        match self.allocator.free(block) {
            Ok(()) => {}
            Err((block, FreeError::Device(error))) => {
                let held = Held { block, extent, pieces, requested, stream, uses, told_of };
                self.held.push(held);
                return self.absorb(Err(error));
            }
            Err((_, error)) => return Err(told(error)),
        }
        if !uses.is_empty() {
            self.lingering.push(Lingering { extent, requested, streams: uses, freed });
        }
        Ok(())
    }

    fn free_twice(&mut self) -> Result<(), String> {
        match self.allocator.free_twice() {
            Err(FreeError::NotAllocated) => Ok(()),
            answer => Err(format!("a block is freed twice: {answer:?}")),
        }
    }

    fn finish_all(&mut self) {
        for stream in (0..STREAMS).map(StreamId) {
            self.watched(|device| device.finish_stream(stream));
        }
    }

    /// Lets an injected fault pass, and what is refused while a graph is captured, and nothing else.
    fn absorb(&mut self, answer: Result<(), DeviceError>) -> Result<(), String> {
        match answer {
            Ok(()) => Ok(()),
            // Aliases that work may still use cannot be asked about.
            Err(
                DeviceError::Invalid { reason: "a graph is being captured", .. }
                | DeviceError::OutOfMappings { .. },
            ) if 0 < self.captures => Ok(()),
            Err(DeviceError::Driver { .. }) => {
                self.reported = true;
                Ok(())
            }
            Err(error) => Err(told(error)),
        }
    }

    fn forget_what_is_done(&mut self) {
        let device = self.device.clone();
        device.with(|faulty| {
            self.lingering.retain(|block| {
                let done = |&stream: &StreamId| faulty.device().is_done(stream, block.freed);
                !block.streams.iter().all(done)
            });
        });
    }

    /// What has to be true between any two steps, as far as it can be told without emptying fronts.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.allocator.check_invariants().map_err(told)?;
        self.watched(|device| self.check_memory(device))?;
        self.check_sums()
    }

    /// Every byte is where it has to be, and whose it has to be.
    fn check_memory(&self, device: &Watched) -> Result<(), String> {
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
        let pinned = self.pinned.iter().flat_map(|(_, pages)| pages).copied();
        let private = self.private.iter().map(|(&at, &page)| (at, page));
        let before_capture = self.before_capture.iter().copied();
        for (at, page) in pinned.chain(private).chain(before_capture) {
            if device.handle_at(at) != Some(page) {
                return Err(format!("{page:?} went away from {at:?}, where it has to stay"));
            }
        }
        Ok(())
    }

    /// Gives everything back, and looks whether that is everything.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.faults(|it| it.fail(0..0));
        while 0 < self.captures {
            self.step(Step::EndCapture)?;
        }
        while !self.held.is_empty() {
            self.step(Step::Free(0))?;
        }
        while !self.pinned.is_empty() {
            self.step(Step::Unpin(0))?;
        }
        self.step(Step::EndPool)?;
        self.step(Step::FinishAll)?;
        self.step(Step::EmptyCache)?;
        self.check_active()?;
        self.watched(|device| {
            if !device.given().is_zero() || device.has_mappings() {
                return Err(format!("{} never went back", device.given()));
            }
            if 0 < device.reserved {
                return Err("addresses never went back".to_owned());
            }
            Ok(())
        })
    }
}

pub(crate) fn told(error: impl std::error::Error) -> String {
    error.to_string()
}
