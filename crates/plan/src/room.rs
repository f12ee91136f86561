//! The pages that a packing may have, and those that it has.

use std::collections::BTreeMap;

use gapless_units::Bytes;

/// The memory that a packing may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How large its pages are.
    pub page: Bytes,
    /// How many of them there are.
    pub pages: u64,
}

impl Room {
    /// More than any packing needs.
    pub const ENDLESS: Self = Self { page: Bytes::new(512), pages: u64::MAX };
}

/// Pages that hold a byte of a block.
#[derive(Debug)]
pub(crate) struct TouchedPages {
    page: Bytes,
    /// Where each run of them begins and ends, in pages.
    runs: BTreeMap<u64, u64>,
    count: u64,
}

impl TouchedPages {
    /// None, of this size.
    pub(crate) fn new(page: Bytes) -> Self {
        Self { page, runs: BTreeMap::new(), count: 0 }
    }

    /// Adds the pages of a block.
    pub(crate) fn add(&mut self, offset: Bytes, size: Bytes) {
        if size.is_zero() {
            return;
        }
        let mut first = offset.get() / self.page.get();
        let mut end = (offset + size).get().div_ceil(self.page.get());
        while let Some((&start, &stop)) = self.runs.range(..=end).next_back() {
            if stop < first {
                break;
            }
            if start <= first && end <= stop {
                return;
            }
            self.runs.remove(&start);
            self.count -= stop - start;
            (first, end) = (first.min(start), end.max(stop));
        }
        self.runs.insert(first, end);
        self.count += end - first;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_count_once_whatever_touches_them() {
        let mut touched = TouchedPages::new(Bytes::new(10));
        let mut add = |offset, size| {
            touched.add(Bytes::new(offset), Bytes::new(size));
            (touched.count(), touched.runs.len())
        };
        assert_eq!(add(5, 0), (0, 0));
        assert_eq!(add(5, 10), (2, 1));
        assert_eq!(add(19, 1), (2, 1));
        assert_eq!(add(50, 10), (3, 2));
        assert_eq!(add(70, 11), (5, 3));
        assert_eq!(add(20, 1), (6, 3));
        assert_eq!(add(31, 40), (9, 1));
        assert_eq!(add(0, 200), (20, 1));
        assert_eq!(add(42, 20), (20, 1));
    }
}
