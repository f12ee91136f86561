//! Free blocks in two levels of classes, found by two look-ups of bits.
//!
//! ```text
//!   levels   1 0 1 1 …            a power of two each; set where one of its steps is
//!   steps    0 1 0 … 1            32 steps in between; set where the list has a block
//!   lists      └► block ─ block   the block that came last first
//! ```

use gapless_units::{Addr, Bytes};

use super::cut_segments::FreeIndex;
use super::names::BlockIndex;

/// Blocks begin and end at multiples of this.
pub(super) const UNIT: Bytes = Bytes::new(512);

/// The second level cuts each power of two into 2 to this power.
const STEPS_LOG2: u32 = 5;
const STEPS: usize = 1 << STEPS_LOG2;

/// Levels for sizes of up to 2^64 units.
const LEVELS: usize = 64;

/// A class of sizes: level and step.
fn class_of(units: u64) -> (usize, usize) {
    if units < STEPS as u64 {
        return (0, usize::try_from(units).unwrap_or(0));
    }
    let shift = units.ilog2() - STEPS_LOG2;
    let step = usize::try_from(units >> shift).unwrap_or(STEPS) - STEPS;
    (shift as usize + 1, step)
}

/// The least size whose class holds only blocks of at least so many units.
fn rounded_to_class(units: u64) -> u64 {
    if units < STEPS as u64 {
        return units;
    }
    let step = 1 << (units.ilog2() - STEPS_LOG2);
    units + (step - 1)
}

/// A block's neighbors in its list.
#[derive(Clone, Copy, Debug)]
struct Links {
    prev: BlockIndex,
    next: BlockIndex,
}

/// The free blocks of each class, the one that came last first, and which classes have some.
#[derive(Clone, Debug)]
pub(super) struct TwoLevels {
    levels: u64,
    steps: [u32; LEVELS],
    heads: Box<[[BlockIndex; STEPS]; LEVELS]>,
    /// By the places of blocks; those of blocks that are not free mean nothing.
    links: Vec<Links>,
}

impl Default for TwoLevels {
    fn default() -> Self {
        Self {
            levels: 0,
            steps: [0; LEVELS],
            heads: Box::new([[BlockIndex::NONE; STEPS]; LEVELS]),
            links: Vec::new(),
        }
    }
}

impl TwoLevels {
    /// The first class at or behind this one that has a block.
    fn class_from(&self, (level, step): (usize, usize)) -> Option<(usize, usize)> {
        let steps = self.steps.get(level)? & u32::MAX.checked_shl(u32::try_from(step).ok()?)?;
        if steps != 0 {
            return Some((level, steps.trailing_zeros() as usize));
        }
        let levels = self.levels & u64::MAX.checked_shl(u32::try_from(level + 1).ok()?)?;
        let level = (levels != 0).then(|| levels.trailing_zeros() as usize)?;
        Some((level, self.steps[level].trailing_zeros() as usize))
    }

    fn list(&self, (level, step): (usize, usize)) -> impl Iterator<Item = BlockIndex> {
        let first = self.heads[level][step].some();
        std::iter::successors(first, |at| self.links[at.index()].next.some())
    }
}

impl FreeIndex for TwoLevels {
    fn insert(&mut self, at: BlockIndex, size: Bytes, _: Addr) {
        let (level, step) = class_of(size.get() / UNIT.get());
        let head = std::mem::replace(&mut self.heads[level][step], at);
        if self.links.len() <= at.index() {
            self.links
                .resize(at.index() + 1, Links { prev: BlockIndex::NONE, next: BlockIndex::NONE });
        }
        self.links[at.index()] = Links { prev: BlockIndex::NONE, next: head };
        if let Some(head) = head.some() {
            self.links[head.index()].prev = at;
        }
        self.levels |= 1 << level;
        self.steps[level] |= 1 << step;
    }

    fn remove(&mut self, at: BlockIndex, size: Bytes, _: Addr) {
        let (level, step) = class_of(size.get() / UNIT.get());
        let Links { prev, next } = self.links[at.index()];
        if let Some(next) = next.some() {
            self.links[next.index()].prev = prev;
        }
        if let Some(prev) = prev.some() {
            self.links[prev.index()].next = next;
            return;
        }
        self.heads[level][step] = next;
        if next == BlockIndex::NONE {
            self.steps[level] &= !(1 << step);
            if self.steps[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }

    fn candidates(&self, size: Bytes) -> impl Iterator<Item = BlockIndex> {
        let units = size.get().div_ceil(UNIT.get());
        let first = self.class_from(class_of(rounded_to_class(units)));
        let classes = std::iter::successors(first, |&(level, step)| {
            let behind = if step + 1 < STEPS { (level, step + 1) } else { (level + 1, 0) };
            self.class_from(behind)
        });
        classes.flat_map(|class| self.list(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_32_steps_of_each_power_of_two() {
        for (units, class) in [
            (1, (0, 1)),
            (31, (0, 31)),
            (32, (1, 0)),
            (63, (1, 31)),
            (64, (2, 0)),
            (65, (2, 0)),
            (66, (2, 1)),
            (1 << 20, (16, 0)),
        ] {
            assert_eq!(class_of(units), class, "{units}");
        }
    }

    #[test]
    fn a_request_is_searched_from_the_first_class_that_holds_no_smaller_block() {
        for (units, rounded) in [(31, 31), (33, 33), (64, 65), (65, 66), (66, 67), (128, 131)] {
            assert_eq!(rounded_to_class(units), rounded, "{units}");
            let class = class_of(rounded);
            let smaller_class = class_of(units - 1);
            assert!(smaller_class < class, "{units}");
        }
    }

    #[test]
    fn lists_give_the_block_that_came_last() {
        let mut index = TwoLevels::default();
        let size = |units: u64| Bytes::new(units * UNIT.get());
        for (at, units) in [(0, 64), (1, 65), (2, 70), (3, 500)] {
            index.insert(BlockIndex(at), size(units), Addr::default());
        }
        let found = |index: &TwoLevels, units| index.candidates(size(units)).collect::<Vec<_>>();
        assert_eq!(found(&index, 1), [BlockIndex(1), BlockIndex(0), BlockIndex(2), BlockIndex(3)]);
        // 64 units would do for a request of as many, but its class holds smaller ones than 65.
        assert_eq!(found(&index, 65), [BlockIndex(2), BlockIndex(3)]);
        index.remove(BlockIndex(2), size(70), Addr::default());
        index.remove(BlockIndex(1), size(65), Addr::default());
        assert_eq!(found(&index, 1), [BlockIndex(0), BlockIndex(3)]);
        assert_eq!(found(&index, 501), []);
    }
}
