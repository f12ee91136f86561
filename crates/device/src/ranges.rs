//! A set of numbers, kept as half-open ranges: which addresses are free, which may be touched,
//! which parts of a file nobody has.

use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers as ranges from start to end, none of which touches another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// The numbers of one range.
    pub(crate) fn of(range: Range<u64>) -> Self {
        let mut ranges = Self::default();
        ranges.insert(range);
        ranges
    }

    /// Adds numbers; some may be there before.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if end <= start {
            return;
        }
        while let Some((&from, &to)) = self.0.range(..=end).next_back()
            && start <= to
        {
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
    }

    /// Takes numbers away; some may not be there.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        let Range { start, end } = range;
        while start < end
            && let Some((&from, &to)) = self.0.range(..end).next_back()
            && start < to
        {
            self.0.remove(&from);
            if end < to {
                self.0.insert(end, to);
            }
            if from < start {
                self.0.insert(from, start);
            }
        }
    }

    /// Whether all these numbers are there.
    pub(crate) fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty() || self.first_absent(range).is_none()
    }

    /// The first number of this range that is not there.
    pub(crate) fn first_absent(&self, range: &Range<u64>) -> Option<u64> {
        let before = self.0.range(..=range.start).next_back();
        let reached = before.map_or(range.start, |(_, &to)| to.max(range.start));
        (reached < range.end).then_some(reached)
    }

    /// What of this range is there, in order.
    pub(crate) fn within(
        &self,
        range: Range<u64>,
    ) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        let Range { start, end } = range;
        let over = self.0.range(..start).next_back().filter(|&(_, &to)| start < to);
        let first = over.map_or(start, |(&from, _)| from);
        let touched = self.0.range(first..end.max(first));
        touched.map(move |(&from, &to)| from.max(start)..to.min(end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 24;

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0..LIMIT, 0..LIMIT).prop_map(|(start, end)| start..end)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn ranges_are_a_set_of_numbers(
            steps in prop::collection::vec((any::<bool>(), range(), range()), 0..40),
        ) {
            let (mut ranges, mut numbers) = (Ranges::default(), BTreeSet::new());
            for (adds, range, asked) in steps {
                if adds {
                    numbers.extend(range.clone());
                    ranges.insert(range);
                } else {
                    numbers.retain(|number| !range.contains(number));
                    ranges.remove(range);
                }
                let absent = asked.clone().find(|number| !numbers.contains(number));
                prop_assert_eq!(ranges.first_absent(&asked), absent);
                prop_assert_eq!(ranges.contains(&asked), absent.is_none());
                let found: Vec<u64> = ranges.within(asked.clone()).flatten().collect();
                let there = numbers.iter().copied().filter(|number| asked.contains(number));
                prop_assert_eq!(found, there.collect::<Vec<_>>());
                let apart = ranges.0.iter().zip(ranges.0.iter().skip(1));
                prop_assert!(apart.into_iter().all(|((_, end), (start, _))| end < start));
            }
        }
    }
}
