//! How often a simulated device was called.

/// How often each call for memory, addresses and mappings was made.
/// [`Device::unreserve`](crate::Device::unreserve) is not counted, and takes no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// [`Device::allocate`](crate::Device::allocate), refused ones included.
    pub allocate: u64,
    /// [`Device::free`](crate::Device::free).
    pub free: u64,
    /// [`Device::reserve`](crate::Device::reserve).
    pub reserve: u64,
    /// [`Device::create`](crate::Device::create), refused ones included.
    pub create: u64,
    /// [`Device::map`](crate::Device::map).
    pub map: u64,
    /// Granules that [`Device::map`](crate::Device::map) was called for.
    pub granules_mapped: u64,
    /// [`Device::set_access`](crate::Device::set_access).
    pub set_access: u64,
    /// [`Device::unmap`](crate::Device::unmap).
    pub unmap: u64,
    /// [`Device::release`](crate::Device::release).
    pub release: u64,
}

impl CallCounts {
    /// All calls together.
    pub fn total(self) -> u64 {
        self.allocate
            + self.free
            + self.reserve
            + self.create
            + self.map
            + self.set_access
            + self.unmap
            + self.release
    }
}
