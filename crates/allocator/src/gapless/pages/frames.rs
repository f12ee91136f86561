//! Which frames an extent touches, which lie in it, and which of them have memory.

use gapless_units::{Addr, Extent};

use super::PageTable;
use crate::gapless::names::{Frame, TerritoryIndex};

impl PageTable {
    /// The first frame that shares a byte with what begins at an address, and the one behind the
    /// last that shares a byte with what ends at another.
    fn touched_numbers(&self, territory: TerritoryIndex, extent: Extent) -> (u32, u32) {
        let start = self.territory(territory).extent.start();
        let first = self.whole_pages(extent.start() - start);
        let end = self.pages_for(extent.end() - start);
        (number(first), number(end))
    }

    /// The frames that share a byte with an extent.
    pub(in crate::gapless) fn touched(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Frame> + ExactSizeIterator + use<> {
        let (first, end) = self.touched_numbers(territory, extent);
        (first..end).map(move |number| Frame { territory, number })
    }

    /// The frames that share a byte with an extent and have no memory.
    pub(in crate::gapless) fn inactive(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl Iterator<Item = Frame> {
        let (first, end) = self.touched_numbers(territory, extent);
        let numbers = self.territory(territory).active.missing(first, end);
        numbers.map(move |number| Frame { territory, number })
    }

    /// Whether every frame that shares a byte with an extent has memory.
    #[inline]
    pub(in crate::gapless) fn is_active(&self, territory: TerritoryIndex, extent: Extent) -> bool {
        let (first, end) = self.touched_numbers(territory, extent);
        self.territory(territory).active.contains_all(first, end)
    }

    /// The first frame that lies wholly in an extent, and the first behind those that do.
    fn inside_numbers(&self, territory: TerritoryIndex, extent: Extent) -> (u32, u32) {
        let start = self.territory(territory).extent.start();
        let first = self.pages_for(extent.start() - start);
        let end = self.whole_pages(extent.end() - start);
        (number(first), number(end.max(first)))
    }

    /// The frames that lie wholly in an extent.
    pub(in crate::gapless) fn inside(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl DoubleEndedIterator<Item = Frame> + use<> {
        let (first, end) = self.inside_numbers(territory, extent);
        (first..end).map(move |number| Frame { territory, number })
    }

    /// The frames with memory that lie wholly in an extent, from the last to the first.
    pub(in crate::gapless) fn active_inside(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> impl Iterator<Item = Frame> {
        let (first, end) = self.inside_numbers(territory, extent);
        let numbers = self.territory(territory).active.last_to_first(first, end);
        numbers.map(move |number| Frame { territory, number })
    }

    /// How many frames lie wholly in an extent.
    pub(in crate::gapless) fn inside_count(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> u32 {
        let (first, end) = self.inside_numbers(territory, extent);
        end - first
    }

    /// Whether the bytes of a page are used under a frame.
    pub(in crate::gapless) fn has_memory(&self, frame: Frame) -> bool {
        self.territory(frame.territory).active.contains(frame.number)
    }

    /// How many frames that lie wholly in an extent have no memory.
    pub(in crate::gapless) fn count_holes(&self, territory: TerritoryIndex, extent: Extent) -> u32 {
        let (first, end) = self.inside_numbers(territory, extent);
        self.territory(territory).active.count_missing(first, end)
    }

    /// How many frames that share a byte with an extent have no memory.
    pub(in crate::gapless) fn count_lacking(
        &self,
        territory: TerritoryIndex,
        extent: Extent,
    ) -> u32 {
        let (first, end) = self.touched_numbers(territory, extent);
        self.territory(territory).active.count_missing(first, end)
    }

    /// All frames of a territory up to the farthest that ever had memory.
    pub(in crate::gapless) fn frames(
        &self,
        territory: TerritoryIndex,
    ) -> impl Iterator<Item = Frame> + use<> {
        let count = u32::try_from(self.territory(territory).frames.len()).unwrap_or(u32::MAX);
        (0..count).map(move |number| Frame { territory, number })
    }

    pub(in crate::gapless) fn addr(&self, frame: Frame) -> Addr {
        self.territory(frame.territory).extent.start() + self.bytes_of(u64::from(frame.number))
    }

    pub(in crate::gapless) fn extent(&self, frame: Frame) -> Extent {
        let addr = self.addr(frame);
        Extent::between(addr, addr + self.page_size)
    }

    /// What a run of neighboring frames spans.
    pub(in crate::gapless) fn span_of(&self, run: &[Frame]) -> Extent {
        let (first, last) = (run[0], run[run.len() - 1]);
        Extent::between(self.addr(first), self.extent(last).end())
    }
}

/// Territories have less than 2^32 frames.
fn number(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
