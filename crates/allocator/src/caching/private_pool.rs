//! Private pools: memory that only requests routed to them may use (`MemPool`, captured graphs).

use gapless_device::{Device, DeviceError};
use gapless_trace::SizePool;
use gapless_units::{PoolId, StreamId};

use super::CachingAllocator;
use super::names::{PoolIndex, PrivateIndex};
use super::pool::Pool;
use super::request::{Found, Request};
use crate::observer::Observer;

/// What is special about a private pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolOptions {
    /// Whether its blocks are never cut.
    pub no_split: bool,
    /// Whether it lends to the default pool before a request fails there.
    pub use_on_oom: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PrivatePool {
    pub(super) id: PoolId,
    pub(super) options: PoolOptions,
    pub(super) small: PoolIndex,
    pub(super) large: PoolIndex,
    uses: u32,
    /// Segments it holds, expandable ones not counted.
    pub(super) segments: u64,
    /// How often it grew and shrank by pages.
    pub(super) growths: u64,
    pub(super) shrinks: u64,
    /// Whether nobody will use it again.
    unused: bool,
    /// Whether it is gone: its place is used again under its id only.
    gone: bool,
}

/// A route that requests take to a private pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pool: PrivateIndex,
    /// The stream whose requests take it; all where none is named.
    stream: Option<StreamId>,
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// Makes a private pool, or adds a user to the one of this id.
    pub fn create_pool(&mut self, id: PoolId, options: PoolOptions) {
        if let Some(index) = self.private_pool(id) {
            self.private_pools[index.0].uses += 1;
            return;
        }
        let index = PrivateIndex(self.private_pools.len());
        let small = self.add_pool(SizePool::Small, index);
        let large = self.add_pool(SizePool::Large, index);
        self.private_pools.push(PrivatePool {
            id,
            options,
            small,
            large,
            uses: 1,
            segments: 0,
            growths: 0,
            shrinks: 0,
            unused: false,
            gone: false,
        });
    }

    fn add_pool(&mut self, kind: SizePool, owner: PrivateIndex) -> PoolIndex {
        let index = PoolIndex(u32::try_from(self.pools.len()).unwrap_or(u32::MAX));
        self.pools.push(Pool::new(kind, Some(owner)));
        index
    }

    pub(super) fn private_pool(&self, id: PoolId) -> Option<PrivateIndex> {
        let found = self.private_pools.iter().position(|pool| pool.id == id && !pool.gone);
        found.map(PrivateIndex)
    }

    /// Sends requests on `stream`, or all, to a private pool until [`Self::end_route`]; makes the
    /// pool or adds a user to it. The newest route that takes a request wins.
    pub fn begin_route(&mut self, id: PoolId, options: PoolOptions, stream: Option<StreamId>) {
        self.create_pool(id, options);
        if let Some(pool) = self.private_pool(id) {
            self.routes.push(Route { pool, stream });
        }
    }

    /// Ends the newest route to a private pool. The pool keeps the user that the route added.
    pub fn end_route(&mut self, id: PoolId) {
        let pool = self.private_pool(id);
        if let Some(at) = self.routes.iter().rposition(|route| Some(route.pool) == pool) {
            self.routes.remove(at);
        }
    }

    /// Takes a user from a private pool. What is free in a pool without users goes back to the
    /// device with the next release of the cache.
    pub fn release_pool(&mut self, id: PoolId) {
        if let Some(index) = self.private_pool(id) {
            let pool = &mut self.private_pools[index.0];
            pool.uses = pool.uses.saturating_sub(1);
            pool.unused = pool.uses == 0;
        }
    }

    /// Ends a `MemPool`: takes its user away and gives back what is free in it.
    pub fn destroy_pool(&mut self, id: PoolId) -> Result<(), DeviceError> {
        self.release_pool(id);
        self.wait_for_all_events()?;
        self.release_unused_pools(Some(id))
    }

    /// Announces a graph capture; the cache is not released and events are not asked until
    /// [`Self::end_capture`].
    pub fn begin_capture(&mut self) {
        self.captures += 1;
    }

    /// Ends a graph capture.
    pub fn end_capture(&mut self) {
        self.captures = self.captures.saturating_sub(1);
    }

    pub(super) fn is_capturing(&self) -> bool {
        0 < self.captures
    }

    /// The private pool a request on `stream` goes to.
    pub(super) fn route_of(&self, stream: StreamId) -> Option<PoolId> {
        let takes = |route: &&Route| route.stream.is_none_or(|only| only == stream);
        let route = self.routes.iter().rev().find(takes)?;
        Some(self.private_pools[route.pool.0].id)
    }

    pub(super) fn pool_index(&mut self, id: PoolId, kind: SizePool) -> PoolIndex {
        if !id.is_private() {
            return match kind {
                SizePool::Small => PoolIndex::SMALL,
                SizePool::Large => PoolIndex::LARGE,
            };
        }
        if self.private_pool(id).is_none() {
            self.create_pool(id, PoolOptions::default());
        }
        let index = self.private_pool(id).unwrap_or(PrivateIndex(0));
        let pool = &self.private_pools[index.0];
        match kind {
            SizePool::Small => pool.small,
            SizePool::Large => pool.large,
        }
    }

    pub(super) fn pool_id(&self, index: PoolIndex) -> PoolId {
        let owner = self.pools[index.0 as usize].owner;
        owner.map_or(PoolId::DEFAULT, |owner| self.private_pools[owner.0].id)
    }

    /// The private pools whose free memory may go back, the oldest first; PyTorch's order is that
    /// of a hash table and decides nothing but the order of events.
    pub(super) fn unused_pools(&self, only: Option<PoolId>) -> Vec<PrivateIndex> {
        let pools = self.private_pools.iter().enumerate();
        pools
            .filter(|(_, pool)| pool.unused && !pool.gone && only.is_none_or(|id| pool.id == id))
            .map(|(index, _)| PrivateIndex(index))
            .collect()
    }

    pub(super) fn drop_pool_if_empty(&mut self, index: PrivateIndex) {
        let pool = &self.private_pools[index.0];
        let holds = |index: PoolIndex| {
            let mapped = |slot| self.blocks.from(slot).any(|block| block.mapped);
            self.blocks
                .first_of_segments()
                .any(|slot| self.blocks[slot].pool == index && mapped(slot))
        };
        if !holds(pool.small) && !holds(pool.large) {
            self.private_pools[index.0].gone = true;
        }
    }

    /// A free block of a private pool that lends, for a request to the default pool.
    pub(super) fn borrow_from_pools(&mut self, request: &Request) -> Option<Found> {
        if !self.rules.pools_may_lend() || self.pools[request.pool.0 as usize].owner.is_some() {
            return None;
        }
        let kind = self.pools[request.pool.0 as usize].kind;
        let lends = |pool: &&PrivatePool| pool.options.use_on_oom && 0 < pool.uses && !pool.gone;
        let lenders: Vec<PoolIndex> = self
            .private_pools
            .iter()
            .filter(lends)
            .map(|pool| if kind == SizePool::Small { pool.small } else { pool.large })
            .collect();
        lenders
            .into_iter()
            .find_map(|pool| self.find(&Request { pool, expandable: false, ..*request }))
    }
}
