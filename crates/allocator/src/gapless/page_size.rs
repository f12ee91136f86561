//! How large a page is.

use gapless_units::Bytes;

/// How much memory is taken from the device, mapped and moved as one.
///
/// With many drivers a call takes as long for a large piece of memory as for a small one: with
/// pages twice as large a program then grows twice as fast, and half as many pages move. More memory is
/// lost for it in parts of pages that are partly alive; `docs/waste.md` has both for recorded programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(Bytes);

impl PageSize {
    /// The smallest that the device can map: it wastes least.
    pub const SMALLEST: Self = Self(Bytes::ZERO);

    /// Sizes beyond this are taken for it, so that they can be counted with.
    pub const LARGEST: Self = Self(Bytes::gib(1024));

    /// The next power of two that is at least so much and that the device can map.
    pub fn at_least(size: Bytes) -> Self {
        Self(Bytes::new(size.min(Self::LARGEST.0).get().next_power_of_two()))
    }

    /// What it is on a device with such granules. Panics where they are no power of two.
    pub fn over(self, granule: Bytes) -> Bytes {
        assert!(granule.get().is_power_of_two(), "granules of {granule}");
        self.0.max(granule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_power_of_two_and_no_part_of_a_granule() {
        let granule = Bytes::mib(2);
        assert_eq!(PageSize::SMALLEST.over(granule), granule);
        assert_eq!(PageSize::at_least(Bytes::ZERO).over(granule), granule);
        assert_eq!(PageSize::at_least(Bytes::mib(2)).over(granule), granule);
        assert_eq!(PageSize::at_least(Bytes::mib(5)), PageSize::at_least(Bytes::mib(8)));
        assert_eq!(PageSize::at_least(Bytes::mib(5)).over(granule), Bytes::mib(8));
        assert_eq!(PageSize::at_least(Bytes::new(u64::MAX)), PageSize::LARGEST);
    }

    #[test]
    #[should_panic(expected = "granules of 3.0 MiB")]
    fn granules_are_a_power_of_two() {
        let _ = PageSize::at_least(Bytes::mib(8)).over(Bytes::mib(3));
    }
}
