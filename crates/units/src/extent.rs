//! Places in a device's memory, and half-open ranges of them.

use std::fmt;
use std::ops::{Add, Sub};

use crate::bytes::{Bytes, Overflow};

/// An address of a device. It is compared and subtracted, never dereferenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr(u64);

impl Addr {
    /// The address `addr`.
    pub const fn new(addr: u64) -> Self {
        Self(addr)
    }

    /// The address as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Add<Bytes> for Addr {
    type Output = Self;

    /// The address `size` further on, known to exist.
    fn add(self, size: Bytes) -> Self {
        Self((Bytes::new(self.0) + size).get())
    }
}

impl Sub for Addr {
    type Output = Bytes;

    /// The distance from `other`, which is not behind this address.
    fn sub(self, other: Self) -> Bytes {
        Bytes::new(self.0) - Bytes::new(other.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "0x{:x}", self.0)
    }
}

/// The addresses `[start, end)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    start: Addr,
    size: Bytes,
}

impl Extent {
    /// `size` bytes from `start`, or an overflow where the address space ends before.
    pub fn new(start: Addr, size: Bytes) -> Result<Self, Overflow> {
        Bytes::new(start.get()).checked_add(size)?;
        Ok(Self { start, size })
    }

    /// From `start` up to `end`, empty where `end` is not behind `start`.
    pub fn between(start: Addr, end: Addr) -> Self {
        Self { start, size: Bytes::new(end.get().saturating_sub(start.get())) }
    }

    /// The first address.
    pub const fn start(self) -> Addr {
        self.start
    }

    /// The first address behind.
    pub const fn end(self) -> Addr {
        Addr(self.start.0 + self.size.get())
    }

    /// How many bytes it spans.
    pub const fn size(self) -> Bytes {
        self.size
    }

    /// Whether it spans nothing.
    pub const fn is_empty(self) -> bool {
        self.size.is_zero()
    }

    /// Whether all of `other` lies inside.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// Whether the two share a byte.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// The part of `self` that consists of whole pages of `page` bytes counted from `origin`,
    /// which lies at or before the start; empty where no page fits.
    #[must_use]
    pub fn whole_pages(self, origin: Addr, page: Bytes) -> Self {
        let first = origin + (self.start - origin).round_up(page);
        let last = origin + (self.end() - origin).round_down(page);
        Self::between(first, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MIB;

    fn extent(start: u64, size: u64) -> Extent {
        Extent::new(Addr::new(start), Bytes::new(size)).unwrap()
    }

    #[test]
    fn extents_are_half_open() {
        assert!(!extent(0, 10).overlaps(extent(10, 10)));
        assert!(extent(0, 10).overlaps(extent(9, 1)));
        assert!(extent(0, 10).contains(extent(5, 5)));
        assert!(!extent(0, 10).contains(extent(5, 6)));
    }

    #[test]
    fn an_extent_past_the_last_address_is_refused() {
        assert!(Extent::new(Addr::new(u64::MAX), Bytes::new(1)).is_err());
    }

    #[test]
    fn whole_pages_are_counted_from_the_origin() {
        let page = Bytes::mib(20);
        let origin = Addr::new(7 * MIB);
        let gap = extent(17 * MIB, 50 * MIB);
        assert_eq!(gap.whole_pages(origin, page), extent(27 * MIB, 40 * MIB));
        assert!(extent(8 * MIB, 18 * MIB).whole_pages(origin, page).is_empty());
    }
}
