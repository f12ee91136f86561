//! What every baseline does alike: names of blocks, pools, streams that still use a block, the way
//! from a refusal to a failure, statistics.
//!
//! ```text
//!   request ──► tidy ──► the policy of its pool ──► hand out
//!                              │ short
//!                              ▼
//!          wait for frees and for other streams ──► again
//!                              │ short
//!                              ▼
//!          the policy's last resort ──► again ──► what other pools have free ──► again ──► fail
//! ```
//!
//! Each private pool has a policy of its own, so its memory serves nobody else, and stays where it
//! is until [`Baseline::end_pool`].

use gapless_device::{Device, DeviceError};
use gapless_trace::{Action, SizePool};
use gapless_units::{Bytes, Extent, MIB, PoolId, StreamId};

use super::deferred::Deferred;
use super::held::{HeldBlocks, Holder};
use super::holdings::{Holdings, Owner};
use super::names::BlockId;
use super::policy::{Policy, Refusal, Request};
use crate::allocator::Allocator;
use crate::failure::{AllocationError, FreeError, Shortage};
use crate::observer::{Happening, Observer};
use crate::statistics::Statistics;

/// Requests from this size on fail before anything is looked at.
const REQUEST_LIMIT: Bytes = Bytes::new(1 << 46);

/// Up to this size a block counts for the small pool in the statistics, as PyTorch's does.
const SMALL: Bytes = Bytes::new(MIB);

/// Makes room for a request, where it can; says whether there may be some now.
type Resort<B> = fn(&mut B, usize, Request) -> Result<bool, DeviceError>;

/// A pool and the policy that serves it.
#[derive(Clone, Debug)]
struct Pool<P> {
    id: PoolId,
    policy: P,
    /// Whether its memory may leave the addresses that it has.
    may_move: bool,
}

/// An allocator with the rules of a policy, over any device.
///
/// Streams: a block may be used by work on its own stream at once; use on others is told with
/// [`Allocator::record_stream`].
#[derive(Clone, Debug)]
pub struct Baseline<P: Policy, D, O = ()> {
    settings: P::Settings,
    holdings: Holdings<D, O>,
    pools: Vec<Pool<P>>,
    /// The pool that was asked last.
    latest: usize,
    blocks: HeldBlocks<P::Piece>,
    deferred: Deferred,
    /// Kept to be used again.
    done: Vec<u32>,
}

impl<P: Policy, D: Device, O: Observer> Baseline<P, D, O> {
    /// An allocator that holds nothing yet.
    pub fn new(device: D, settings: P::Settings, observer: O) -> Self {
        let mut baseline = Self {
            settings,
            holdings: Holdings::new(device, observer),
            pools: Vec::new(),
            latest: 0,
            blocks: HeldBlocks::default(),
            deferred: Deferred::default(),
            done: Vec::new(),
        };
        baseline.pool(PoolId::DEFAULT);
        baseline
    }

    /// Who is told what happens.
    pub fn observer(&self) -> &O {
        &self.holdings.observer
    }

    /// Who is told what happens.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.holdings.observer
    }

    /// Its parts, the life of the allocator being over. What it holds from the device stays held.
    pub fn into_parts(self) -> (D, O) {
        (self.holdings.device, self.holdings.observer)
    }

    /// The rules that serve requests from no private pool, for their own numbers.
    pub fn policy(&self) -> &P {
        &self.pools[0].policy
    }

    /// A block of at least `size` bytes for work on `stream`.
    pub fn allocate(&mut self, size: Bytes, stream: StreamId) -> Result<BlockId, AllocationError> {
        self.allocate_in(PoolId::DEFAULT, size, stream)
    }

    /// Lets the memory of a private pool go back to the device from now on: nothing that was
    /// captured from it will run again.
    pub fn end_pool(&mut self, pool: PoolId) {
        let at = self.pool(pool);
        self.pools[at].may_move = true;
    }

    /// The place of a pool among all of them.
    fn pool(&mut self, id: PoolId) -> usize {
        if self.pools.get(self.latest).is_some_and(|pool| pool.id == id) {
            return self.latest;
        }
        let known = self.pools.iter().position(|pool| pool.id == id);
        self.latest = known.unwrap_or_else(|| {
            let policy = P::new(&self.settings, self.holdings.device.granule());
            self.pools.push(Pool { id, policy, may_move: !id.is_private() });
            self.pools.len() - 1
        });
        self.latest
    }

    /// A block from the memory there is or from more; counts the request where it stopped the device.
    fn acquire(
        &mut self,
        at: usize,
        request: Request,
    ) -> Result<(P::Piece, Extent), AllocationError> {
        let mut has_stalled = false;
        let answer = self.climb(at, request, &mut has_stalled);
        self.holdings.stalls += u64::from(has_stalled);
        answer
    }

    /// Climbs from one try to the next until one gives a block.
    fn climb(
        &mut self,
        at: usize,
        request: Request,
        has_stalled: &mut bool,
    ) -> Result<(P::Piece, Extent), AllocationError> {
        self.pools[at].policy.tidy(&mut self.holdings)?;
        let mut tried = match self.attempt(at, request)? {
            Ok(taken) => return Ok(taken),
            Err(tried) => tried,
        };
        let resorts: [Resort<Self>; 3] = [Self::wait_for_work, Self::reclaim, Self::trim_others];
        for resort in resorts {
            let waits = self.holdings.waits;
            let may_help = resort(self, at, request)?;
            *has_stalled |= may_help || waits < self.holdings.waits;
            if may_help {
                match self.attempt(at, request)? {
                    Ok(taken) => return Ok(taken),
                    Err(still) => tried = still,
                }
            }
        }
        let rounded = self.pools[at].policy.rounded(request.size);
        Err(self.out_of_memory(request, rounded, tried))
    }

    /// One try of the pool's policy: what it takes, or what it asked of the device in vain.
    fn attempt(
        &mut self,
        at: usize,
        request: Request,
    ) -> Result<Result<(P::Piece, Extent), Bytes>, DeviceError> {
        match self.pools[at].policy.take(&mut self.holdings, request) {
            Ok(taken) => Ok(Ok(taken)),
            Err(Refusal::Short(tried)) => Ok(Err(tried)),
            Err(Refusal::Device(error)) => Err(error),
        }
    }

    /// Waits for what was freed and is still in use elsewhere; says whether there was something.
    fn wait_for_work(&mut self, at: usize, request: Request) -> Result<bool, DeviceError> {
        let had_frees = self.deferred.is_waiting();
        self.finish_frees(true)?;
        let may_wait = self.pools[at].policy.may_wait();
        let has_waited = may_wait && self.holdings.wait_for_all(Some(request.stream))? || had_frees;
        if has_waited {
            self.pools[at].policy.tidy(&mut self.holdings)?;
        }
        Ok(has_waited)
    }

    fn reclaim(&mut self, at: usize, request: Request) -> Result<bool, DeviceError> {
        self.statistics_mut().num_alloc_retries += 1;
        self.pools[at].policy.reclaim(&mut self.holdings, request)
    }

    /// Gives back what lies free in other pools, where that may move.
    fn trim_others(&mut self, at: usize, request: Request) -> Result<bool, DeviceError> {
        let before = self.holdings.reserved();
        for (index, pool) in self.pools.iter_mut().enumerate() {
            if index != at && pool.may_move {
                let owner = Owner { stream: request.stream, pool: pool.id };
                pool.policy.trim(&mut self.holdings, owner)?;
            }
        }
        Ok(self.holdings.reserved() < before)
    }

    fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.holdings.statistics
    }

    fn out_of_memory(&mut self, request: Request, rounded: Bytes, tried: Bytes) -> AllocationError {
        let device_free = self.holdings.tell_failure(rounded, request.owner());
        let (requested, limit) = (request.size, None);
        let shortage = Shortage::Memory;
        AllocationError::OutOfMemory { requested, rounded, tried, device_free, limit, shortage }
    }

    /// Frees what waited for other streams that are done, or for all of them.
    fn finish_frees(&mut self, may_wait: bool) -> Result<(), DeviceError> {
        if !self.deferred.is_waiting() {
            return Ok(());
        }
        let mut done = std::mem::take(&mut self.done);
        let answer = self.deferred.finish(&mut self.holdings.device, may_wait, &mut done);
        for place in done.drain(..) {
            self.blocks[place].events -= 1;
            if self.blocks[place].events == 0 {
                self.finish_free(place);
            }
        }
        self.done = done;
        answer
    }

    /// Gives a block that nobody uses any more to the policy of its pool.
    fn finish_free(&mut self, place: u32) {
        let entry = &self.blocks[place];
        let (piece, extent, requested) = (entry.piece, entry.extent, entry.requested);
        let (stream, pool) = (entry.stream, entry.pool);
        let kind = kind_of(extent.size());
        let statistics = self.statistics_mut();
        statistics.active.decrease(kind, 1);
        statistics.active_bytes.decrease(kind, extent.size().get());
        statistics.requested_bytes.decrease(kind, requested.get());
        self.tell_block(Action::FreeCompleted, place);
        self.blocks.forget(place);
        let stamp = self.holdings.stamp(stream);
        self.pools[pool].policy.give(&mut self.holdings, piece, stamp);
    }

    fn tell_block(&mut self, action: Action, place: u32) {
        let entry = &self.blocks[place];
        let (addr, size, stream) = (entry.extent.start(), entry.requested, entry.stream);
        let pool = self.pools[entry.pool].id;
        self.holdings.observer.observe(Happening { action, addr, size, stream, pool });
    }

    /// Goes through all books and says what in them is not so; for tests, since it takes as long
    /// as there are blocks.
    pub fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        for pool in &self.pools {
            pool.policy.check().map_err(BrokenInvariant)?;
        }
        let queued = self.deferred.queued_events();
        for (place, held) in self.blocks.iter() {
            let events = queued.get(&place).copied().unwrap_or_default();
            if events != held.events || (0 < events) != (held.holder == Holder::Streams) {
                let what = format!("{held:?} waits for events, {events} are queued");
                return Err(BrokenInvariant(what));
            }
        }
        Ok(())
    }
}

/// Something that is true of every sound allocator is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenInvariant(String);

/// The size pool that PyTorch's statistics would count a block for.
fn kind_of(size: Bytes) -> SizePool {
    if size <= SMALL { SizePool::Small } else { SizePool::Large }
}

impl<P: Policy, D: Device, O: Observer> Allocator for Baseline<P, D, O> {
    type Device = D;
    type Block = BlockId;

    fn device(&self) -> &D {
        &self.holdings.device
    }

    fn device_mut(&mut self) -> &mut D {
        &mut self.holdings.device
    }

    fn allocate_in(
        &mut self,
        pool: PoolId,
        size: Bytes,
        stream: StreamId,
    ) -> Result<BlockId, AllocationError> {
        self.finish_frees(false)?;
        let at = self.pool(pool);
        let request = Request { size, stream, pool, may_move: self.pools[at].may_move };
        if REQUEST_LIMIT <= size {
            return Err(self.out_of_memory(request, size, size));
        }
        let (piece, extent) = self.acquire(at, request)?;
        let block = self.blocks.hand_out(piece, extent, size, stream, at);
        let kind = kind_of(extent.size());
        let statistics = self.statistics_mut();
        statistics.allocation.increase(kind, 1);
        statistics.allocated_bytes.increase(kind, extent.size().get());
        statistics.active.increase(kind, 1);
        statistics.active_bytes.increase(kind, extent.size().get());
        statistics.requested_bytes.increase(kind, size.get());
        self.tell_block(Action::Alloc, block.place);
        Ok(block)
    }

    fn free(&mut self, block: BlockId) -> Result<(), FreeError> {
        let place = self.blocks.place(block).ok_or(FreeError::NotAllocated)?;
        if self.blocks[place].used_elsewhere {
            // Where that fails, the program still has the block, and nothing is told or counted.
            let events = self.deferred.defer(&mut self.holdings.device, place)?;
            let entry = &mut self.blocks[place];
            (entry.events, entry.holder) = (events, Holder::Streams);
        }
        let size = self.blocks[place].extent.size();
        let kind = kind_of(size);
        self.statistics_mut().allocation.decrease(kind, 1);
        self.statistics_mut().allocated_bytes.decrease(kind, size.get());
        self.tell_block(Action::FreeRequested, place);
        if self.blocks[place].holder == Holder::Program {
            self.finish_free(place);
        }
        Ok(())
    }

    fn record_stream(&mut self, block: BlockId, stream: StreamId) -> Result<(), FreeError> {
        let place = self.blocks.place(block).ok_or(FreeError::NotAllocated)?;
        if self.blocks[place].stream != stream {
            self.blocks[place].used_elsewhere = true;
            self.deferred.note_use(place, stream);
        }
        Ok(())
    }

    fn process_events(&mut self) -> Result<(), DeviceError> {
        self.finish_frees(false)?;
        for pool in &mut self.pools {
            pool.policy.tidy(&mut self.holdings)?;
        }
        Ok(())
    }

    fn empty_cache(&mut self) -> Result<(), DeviceError> {
        self.finish_frees(true)?;
        for pool in self.pools.iter_mut().filter(|pool| pool.may_move) {
            let owner = Owner { stream: StreamId(0), pool: pool.id };
            pool.policy.trim(&mut self.holdings, owner)?;
        }
        Ok(())
    }

    fn note_synchronized(&mut self) -> Result<(), DeviceError> {
        self.finish_frees(false)?;
        self.holdings.note_all_done();
        for pool in self.pools.iter_mut().filter(|pool| pool.may_move) {
            let owner = Owner { stream: StreamId(0), pool: pool.id };
            pool.policy.note_synchronized(&mut self.holdings, owner)?;
        }
        Ok(())
    }

    fn extent(&self, block: BlockId) -> Option<Extent> {
        self.blocks.place(block).map(|place| self.blocks[place].extent)
    }

    fn reserved(&self) -> Bytes {
        self.holdings.reserved()
    }

    fn statistics(&self) -> Statistics {
        self.holdings.statistics
    }

    fn stalls(&self) -> u64 {
        self.holdings.stalls
    }
}
