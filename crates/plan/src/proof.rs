//! That no two blocks of a packing are in each other's way.

use std::collections::BTreeMap;

use gapless_units::Bytes;

use crate::cycle::Cycle;
use crate::packing::Packing;

/// Blocks by offset: where each ends, and which it is.
type Alive = BTreeMap<Bytes, (Bytes, usize)>;

impl Packing {
    /// Two blocks that share a byte while both are alive, by their places among the spans; none where
    /// the packing is sound. Walks through time and looks at neighbors only, which is another way
    /// than packing takes.
    ///
    /// # Panics
    ///
    /// For a cycle with more spans than the one that was packed.
    pub fn overlap(&self, cycle: &Cycle) -> Option<(usize, usize)> {
        let spans = cycle.spans();
        let mut changes: Vec<(u64, Change, usize)> = Vec::with_capacity(4 * spans.len());
        // What has no byte shares none.
        for (at, span) in spans.iter().enumerate().filter(|(_, span)| !span.size.is_zero()) {
            // Two turns: what is alive when a turn begins was born in the one before.
            for turn in [0, u64::from(cycle.period())] {
                changes.push((turn + u64::from(span.born), Change::Born, at));
                changes.push((turn + u64::from(span.dies()), Change::Dies, at));
            }
        }
        changes.sort_unstable();
        let mut alive = Alive::new();
        for (_, change, at) in changes {
            let offset = self.offsets[at];
            let end = offset + spans[at].size;
            if change == Change::Dies {
                alive.remove(&offset);
            } else if let Some(other) = in_the_way(&alive, offset, end) {
                return Some((other, at));
            } else {
                alive.insert(offset, (end, at));
            }
        }
        None
    }
}

/// What happens at a step: what dies makes room for what is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Dies,
    Born,
}

/// A block that shares a byte with an extent, where no two of them do.
fn in_the_way(alive: &Alive, start: Bytes, end: Bytes) -> Option<usize> {
    let (_, &(last, at)) = alive.range(..end).next_back()?;
    (start < last).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cycle::Span;

    #[test]
    fn blocks_in_each_others_way_are_found() {
        let span = |born, life, size| Span { born, life, size: Bytes::new(size), at: None };
        let cycle = Cycle::new(4, vec![span(0, 2, 5), span(3, 2, 7), span(1, 1, 1)]);
        let overlap = |offsets: [u64; 3]| {
            let offsets = offsets.map(Bytes::new).to_vec();
            Packing { offsets, height: Bytes::new(99) }.overlap(&cycle)
        };
        assert_eq!(overlap([0, 5, 5]), None);
        assert_eq!(overlap([7, 0, 0]), None);
        assert_eq!(overlap([4, 0, 0]), Some((1, 0)), "across the end of a turn");
        assert_eq!(overlap([0, 5, 4]), Some((0, 2)));
    }
}
