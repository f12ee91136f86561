//! What happens when no free block serves: garbage collection, the device, and the ladder of
//! retries when the device refuses.

use gapless_device::{Device, DeviceError};
use gapless_trace::Action;
use gapless_units::{Bytes, Extent};

use super::CachingAllocator;
use super::free_set::Key;
use super::names::Slot;
use super::request::{Found, Request};
use super::rules::share;
use crate::failure::{AllocationError, Shortage};
use crate::observer::{Happening, Observer};

/// How a try to get memory from the device ended.
pub(super) enum Attempt {
    /// A block, not among the free ones.
    Block(Slot),
    /// The device or a limit refused.
    Refused,
    /// The request would pass the whole device, and is to fail at once.
    Rejected,
}

impl<D: Device, O: Observer> CachingAllocator<D, O> {
    /// A block from the device, by all means there are.
    pub(super) fn acquire(&mut self, request: &Request) -> Result<Found, AllocationError> {
        if self.collects_garbage() {
            self.collect_garbage()?;
        }
        match self.ask_device(request)? {
            Attempt::Block(slot) => return Ok(Found::apart(slot)),
            Attempt::Refused => {}
            Attempt::Rejected => {
                let allowed = self.whole_device();
                return Err(AllocationError::Rejected { requested: request.requested, allowed });
            }
        }
        if let Some(found) = self.borrow_from_pools(request) {
            return Ok(found);
        }
        if self.release_oversize(request)?
            && let Attempt::Block(slot) = self.ask_device(request)?
        {
            return Ok(Found::apart(slot));
        }
        if !self.is_capturing() {
            self.release_default_cache()?;
            self.statistics.num_alloc_retries += 1;
            // The events that were waited for may have freed a block that fits; PyTorch does not
            // look for it (issue 189504), and neither does this.
            if let Attempt::Block(slot) = self.ask_device(request)? {
                return Ok(Found::apart(slot));
            }
        }
        Err(self.out_of_memory(request))
    }

    /// One try to get memory from the device.
    fn ask_device(&mut self, request: &Request) -> Result<Attempt, AllocationError> {
        let after = self.reserved.checked_add(request.segment).unwrap_or(Bytes::new(u64::MAX));
        if self.limit.is_some_and(|limit| limit < after) {
            return Ok(Attempt::Refused);
        }
        if self.rules.throw_on_oom && self.whole_device() < after {
            self.statistics.num_oom_rejections += 1;
            return Ok(Attempt::Rejected);
        }
        let answer = if request.expandable {
            self.grow(request)
        } else {
            self.new_segment(request).map(Some)
        };
        let slot = match answer {
            Ok(Some(slot)) => slot,
            Ok(None) | Err(DeviceError::OutOfMemory { .. }) => return Ok(Attempt::Refused),
            Err(other) => return Err(other.into()),
        };
        Ok(Attempt::Block(slot))
    }

    /// What the allocator may reserve where it is to fail before the device does.
    fn whole_device(&self) -> Bytes {
        share(self.rules.memory_fraction, self.device.memory().total)
    }

    fn new_segment(&mut self, request: &Request) -> Result<Slot, DeviceError> {
        let size = request.segment;
        let addr = self.device.allocate(size)?;
        let extent = Extent::new(addr, size).map_err(|_| DeviceError::Invalid {
            call: "allocate",
            reason: "the device's answer lies past the last address",
        })?;
        if Key::LIMIT <= extent.end().get() {
            return Err(DeviceError::Invalid {
                call: "allocate",
                reason: "the device's answer lies past 2^57",
            });
        }
        let pool = &mut self.pools[request.pool.0 as usize];
        let kind = pool.kind;
        if let Some(owner) = pool.owner {
            self.private_pools[owner.0].segments += 1;
        }
        self.reserved += size;
        let age = self.next_age();
        let slot = self.blocks.add(extent, request.stream, request.pool, age);
        self.statistics.segment.increase(kind, 1);
        self.statistics.reserved_bytes.increase(kind, size.get());
        if self.rules.is_oversize(size) {
            self.statistics.add_oversize_segment();
        }
        self.statistics.num_device_alloc += 1;
        self.tell(Action::SegmentAlloc, slot, size);
        Ok(slot)
    }

    /// Records the failure of a request for good.
    fn out_of_memory(&mut self, request: &Request) -> AllocationError {
        let device_free = self.device.memory().free;
        self.observer.observe(Happening {
            action: Action::OutOfMemory,
            addr: gapless_units::Addr::new(device_free.get()),
            size: request.rounded,
            stream: request.stream,
            pool: self.pool_id(request.pool),
        });
        self.statistics.num_ooms += 1;
        AllocationError::OutOfMemory {
            requested: request.requested,
            rounded: request.rounded,
            tried: request.segment,
            device_free,
            limit: self.limit,
            shortage: Shortage::Memory,
        }
    }
}
