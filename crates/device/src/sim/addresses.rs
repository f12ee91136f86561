//! The address space of the simulated device.

use std::collections::VecDeque;
use std::ops::Range;

use gapless_units::{Addr, Bytes, Extent, GIB};

use crate::ranges::Ranges;

/// The first address the device gives, where real drivers put theirs.
const FIRST: u64 = 0x7000_0000_0000;
/// How many addresses there are from there on for a device that fills them from the end.
const SPAN: u64 = 12 * 1024 * GIB;
/// How many there are for one that fills them from the start: no simulation runs out of them.
const LONG_SPAN: u64 = 1 << 56;

/// Where fresh ranges of addresses are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In the lowest free range that is large enough.
    #[default]
    LowestFirst,
    /// At the end of the highest free range that is large enough.
    HighestFirst,
}

/// Which addresses are free.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    placement: Placement,
    free: Ranges,
    /// Ranges that allocations get next, and ranges that reservations get next.
    wished: [VecDeque<Extent>; 2],
}

/// What a range of addresses is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    Allocation,
    Reservation,
}

impl Addresses {
    pub(super) fn new(placement: Placement) -> Self {
        // The device itself gives only its own span; recordings name addresses all over.
        let free = Ranges::of(0..u64::MAX);
        Self { placement, free, wished: Default::default() }
    }

    pub(super) fn place_next(&mut self, r#use: Use, extents: impl IntoIterator<Item = Extent>) {
        let wished = &mut self.wished[r#use as usize];
        wished.clear();
        wished.extend(extents);
    }

    /// Takes `size` addresses wherever they go.
    pub(super) fn take(&mut self, r#use: Use, size: Bytes) -> Option<Extent> {
        let wished = self.wished[r#use as usize].pop_front();
        if let Some(extent) = wished.and_then(|extent| self.take_at(extent)) {
            return Some(extent);
        }
        let start = match self.placement {
            Placement::LowestFirst => self.own_ranges().find(|range| size <= range.size())?.start(),
            Placement::HighestFirst => {
                let range = self.own_ranges().rev().find(|range| size <= range.size())?;
                Addr::new(range.end().get() - size.get())
            }
        };
        self.take_at(Extent::new(start, size).ok()?)
    }

    /// The free ranges the device gives from, in the order of addresses.
    fn own_ranges(&self) -> impl DoubleEndedIterator<Item = Extent> {
        let behind = match self.placement {
            Placement::LowestFirst => FIRST + LONG_SPAN,
            Placement::HighestFirst => FIRST + SPAN,
        };
        let ranges = self.free.within(FIRST..behind);
        ranges.map(|range| Extent::between(Addr::new(range.start), Addr::new(range.end)))
    }

    /// Takes exactly these addresses, where all are free.
    pub(super) fn take_at(&mut self, extent: Extent) -> Option<Extent> {
        if !self.free.contains(&numbers(extent)) {
            return None;
        }
        self.free.remove(numbers(extent));
        Some(extent)
    }

    /// Gives addresses back.
    pub(super) fn give(&mut self, extent: Extent) {
        self.free.insert(numbers(extent));
    }
}

fn numbers(extent: Extent) -> Range<u64> {
    extent.start().get()..extent.end().get()
}
