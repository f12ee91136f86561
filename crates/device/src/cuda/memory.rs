//! What a card gave: books that say whether a call makes sense, and whose handles the driver's are.

use std::sync::Arc;

use gapless_units::{Addr, Bytes, DeviceId, Extent};
use rustc_hash::FxHashMap;

use super::context::{Allocated, Context, GivenBack, Physical, Refusal};
use crate::books::{Books, Mapping};
use crate::device::{DeviceError, Handle};

#[derive(Debug)]
pub(super) struct Memory {
    context: Arc<Context>,
    books: Books,
    allocated: FxHashMap<Addr, Allocated>,
    created: FxHashMap<Handle, Physical>,
    peers: Vec<DeviceId>,
}

impl Memory {
    pub(super) fn new(context: Arc<Context>, granule: Bytes, capacity: Bytes) -> Self {
        Self {
            context,
            books: Books::new(granule, capacity),
            allocated: FxHashMap::default(),
            created: FxHashMap::default(),
            peers: Vec::new(),
        }
    }

    /// What may still be taken, if the card has it.
    pub(super) fn left(&self) -> Bytes {
        self.books.free()
    }

    /// Whether all of an extent is memory from here.
    pub(super) fn gave(&self, extent: Extent) -> bool {
        self.books.backs(extent)
    }

    pub(super) fn allocate(&mut self, size: Bytes) -> Result<Addr, DeviceError> {
        self.books.check_room(self.books.memory_of(size)?)?;
        let allocated =
            self.context.allocate(size).map_err(|it| self.no_memory("allocate", size, &it))?;
        let addr = allocated.addr();
        self.books.allocated(Extent::between(addr, addr + size));
        self.allocated.insert(addr, allocated);
        Ok(addr)
    }

    /// What is to be freed, which nobody else can free from now on.
    pub(super) fn take_allocated(
        &mut self,
        addr: Addr,
    ) -> Result<(Extent, Allocated), DeviceError> {
        let extent = self.books.check_free(addr)?;
        let reason = "another thread frees it";
        let allocated = self.allocated.remove(&addr);
        let allocated = allocated.ok_or(DeviceError::Invalid { call: "free", reason })?;
        // Once the driver has freed it, another thread may get the same addresses.
        self.books.freed(extent);
        Ok((extent, allocated))
    }

    /// Takes it back into the books where it was not freed.
    pub(super) fn settle_free(
        &mut self,
        extent: Extent,
        freed: GivenBack<Allocated>,
    ) -> Result<(), DeviceError> {
        freed.map_err(|(allocated, refusal)| {
            self.books.allocated(extent);
            self.allocated.insert(extent.start(), allocated);
            refusal.told("free")
        })
    }

    pub(super) fn reserve(&mut self, size: Bytes) -> Result<Extent, DeviceError> {
        self.books.check_size("reserve", size)?;
        let start = self.context.reserve(size).map_err(|refusal| {
            if refusal.is_shortage() {
                DeviceError::OutOfAddresses { requested: size }
            } else {
                refusal.told("reserve")
            }
        })?;
        let reservation = Extent::between(start, start + size);
        self.books.reserved(reservation);
        Ok(reservation)
    }

    pub(super) fn unreserve(&mut self, reservation: Extent) -> Result<(), DeviceError> {
        self.books.check_unreserve(reservation)?;
        self.context.unreserve(reservation).map_err(|refusal| refusal.told("unreserve"))?;
        self.books.unreserved(reservation);
        Ok(())
    }

    pub(super) fn create(&mut self, size: Bytes) -> Result<Handle, DeviceError> {
        self.books.check_size("create", size)?;
        self.books.check_room(size)?;
        let physical =
            self.context.create(size).map_err(|it| self.no_memory("create", size, &it))?;
        let handle = self.books.created(size);
        self.created.insert(handle, physical);
        Ok(handle)
    }

    pub(super) fn release(&mut self, handle: Handle) -> Result<(), DeviceError> {
        self.books.check_handle("release", handle)?;
        if let Some(physical) = self.created.remove(&handle)
            && let Err((physical, refusal)) = self.context.release(physical)
        {
            self.created.insert(handle, physical);
            return Err(refusal.told("release"));
        }
        self.books.released(handle);
        Ok(())
    }

    pub(super) fn map(&mut self, addr: Addr, handle: Handle) -> Result<(), DeviceError> {
        let extent = self.books.check_map(addr, handle)?;
        let reason = "there is no such handle";
        let physical = self.created.get(&handle);
        let physical = physical.ok_or(DeviceError::Invalid { call: "map", reason })?;
        self.context.map(addr, physical).map_err(|refusal| no_mapping("map", &refusal))?;
        self.books.mapped(extent, handle);
        Ok(())
    }

    pub(super) fn set_access(&mut self, range: Extent) -> Result<(), DeviceError> {
        self.books.check_access(range)?;
        let set = self.context.set_access(range, &self.peers);
        set.map_err(|refusal| no_mapping("set access", &refusal))
    }

    pub(super) fn unmap(&mut self, range: Extent) -> Result<(), DeviceError> {
        let mappings = self.books.check_unmap(range)?;
        let are_neighbors = |a: &Mapping, b: &Mapping| a.extent.end() == b.extent.start();
        // The driver takes away what is mapped throughout. Where it refuses a run behind a gap, the
        // runs before are gone, and so they are in the books.
        for run in mappings.chunk_by(are_neighbors) {
            let extent = Extent::between(run[0].extent.start(), run[run.len() - 1].extent.end());
            self.context.unmap(extent).map_err(|refusal| no_mapping("unmap", &refusal))?;
            for &mapping in run {
                self.books.unmapped(mapping);
            }
        }
        Ok(())
    }

    pub(super) fn enable_peer_access(&mut self, peer: DeviceId) -> Result<(), DeviceError> {
        let call = "enable peer access";
        if !self.context.can_access(peer).map_err(|refusal| refusal.told(call))? {
            let reason = "the device cannot use this one's memory";
            return Err(DeviceError::Invalid { call, reason });
        }
        if self.peers.contains(&peer) {
            return Ok(());
        }
        // The driver may refuse a peer when memory is opened to it. That has to show now, or all that is
        // mapped from now on would fail.
        self.peers.push(peer);
        let opened = match self.books.any_mapping() {
            Some(mapping) => self.set_access(mapping),
            None => self.open_a_granule(),
        };
        if opened.is_err() {
            self.peers.pop();
        }
        opened
    }

    /// Opens memory to all peers, and gives it back. The first error counts.
    fn open_a_granule(&mut self) -> Result<(), DeviceError> {
        let size = self.books.granule();
        let handle = self.create(size)?;
        let opened = self.reserve(size).and_then(|place| {
            let opened = self.map(place.start(), handle).and_then(|()| {
                let opened = self.set_access(place);
                opened.and(self.unmap(place))
            });
            opened.and(self.unreserve(place))
        });
        opened.and(self.release(handle))
    }

    fn no_memory(&self, call: &'static str, size: Bytes, refusal: &Refusal) -> DeviceError {
        if refusal.is_shortage() {
            let free = self.context.free_now().min(self.left());
            DeviceError::OutOfMemory { requested: size, free }
        } else {
            refusal.told(call)
        }
    }
}

fn no_mapping(call: &'static str, refusal: &Refusal) -> DeviceError {
    if refusal.is_shortage() { DeviceError::OutOfMappings { call } } else { refusal.told(call) }
}
