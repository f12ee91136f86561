//! The address space of the simulated device.

use std::collections::{BTreeMap, VecDeque};

use gapless_units::{Addr, Bytes, Extent, GIB};

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
    /// Free ranges, start to end, none touching another.
    free: BTreeMap<u64, u64>,
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
        let free = BTreeMap::from([(0, u64::MAX)]);
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
        let first = self.free.range(..=FIRST).next_back().map_or(FIRST, |(&start, _)| start);
        let behind = match self.placement {
            Placement::LowestFirst => FIRST + LONG_SPAN,
            Placement::HighestFirst => FIRST + SPAN,
        };
        self.free.range(first..behind).map(move |(&start, &end)| {
            Extent::between(Addr::new(start.max(FIRST)), Addr::new(end.min(behind)))
        })
    }

    /// Takes exactly these addresses, where all are free.
    pub(super) fn take_at(&mut self, extent: Extent) -> Option<Extent> {
        let (start, end) = (extent.start().get(), extent.end().get());
        let (&from, &to) = self.free.range(..=start).next_back().filter(|&(_, &to)| end <= to)?;
        self.free.remove(&from);
        if from < start {
            self.free.insert(from, start);
        }
        if end < to {
            self.free.insert(end, to);
        }
        Some(extent)
    }

    /// Gives addresses back.
    pub(super) fn give(&mut self, extent: Extent) {
        let (mut start, mut end) = (extent.start().get(), extent.end().get());
        if let Some((&from, &to)) = self.free.range(..start).next_back()
            && to == start
        {
            self.free.remove(&from);
            start = from;
        }
        if let Some(to) = self.free.remove(&end) {
            end = to;
        }
        self.free.insert(start, end);
    }
}
