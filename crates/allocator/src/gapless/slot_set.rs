//! A set of a reservation's slots: a bit for each, so that a large block is looked at in a few steps.

/// Slots in a word.
const WORD: u32 = u64::BITS;

/// Slots by number. What was never inserted is not in it, however far behind.
#[derive(Debug, Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    pub(super) fn insert(&mut self, number: u32) {
        let word = (number / WORD) as usize;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % WORD);
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut((number / WORD) as usize) {
            *word &= !(1 << (number % WORD));
        }
    }

    /// How many slots are in it.
    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.word(number / WORD) & 1 << (number % WORD) != 0
    }

    /// Whether all slots from the first to before the end are in it.
    #[inline]
    pub(super) fn contains_all(&self, first: u32, end: u32) -> bool {
        (first / WORD..end.div_ceil(WORD))
            .all(|word| !self.word(word) & span(word, first, end) == 0)
    }

    /// How many slots from the first to before the end are not in it.
    pub(super) fn count_missing(&self, first: u32, end: u32) -> u32 {
        let words = first / WORD..end.div_ceil(WORD);
        words.map(|word| (!self.word(word) & span(word, first, end)).count_ones()).sum()
    }

    /// The slots from the first to before the end that are not in it.
    pub(super) fn missing(&self, first: u32, end: u32) -> impl Iterator<Item = u32> {
        let mut words = first / WORD..end.div_ceil(WORD);
        let (mut word, mut bits) = (0, 0);
        std::iter::from_fn(move || {
            while bits == 0 {
                word = words.next()?;
                bits = !self.word(word) & span(word, first, end);
            }
            let bit = bits.trailing_zeros();
            bits &= bits - 1;
            Some(word * WORD + bit)
        })
    }

    /// The slots in it from before the end down to the first.
    pub(super) fn last_to_first(&self, first: u32, end: u32) -> impl Iterator<Item = u32> {
        let known = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let mut words = (first / WORD..end.div_ceil(WORD).min(known)).rev();
        let (mut word, mut bits) = (0, 0);
        std::iter::from_fn(move || {
            while bits == 0 {
                word = words.next()?;
                bits = self.word(word) & span(word, first, end);
            }
            let bit = bits.ilog2();
            bits &= !(1 << bit);
            Some(word * WORD + bit)
        })
    }

    fn word(&self, word: u32) -> u64 {
        self.words.get(word as usize).copied().unwrap_or_default()
    }
}

/// The bits of a word that stand for slots from the first to before the end, which lies in it or
/// behind.
fn span(word: u32, first: u32, end: u32) -> u64 {
    let from = first.saturating_sub(word * WORD);
    let behind = (end - word * WORD).min(WORD);
    u64::MAX << from & u64::MAX >> (WORD - behind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(
            changes in prop::collection::vec((0u32..300, any::<bool>()), 0..200),
            first in 0u32..400,
            len in 0u32..200,
        ) {
            let (mut set, mut plain) = (SlotSet::default(), BTreeSet::new());
            for (number, insert) in changes {
                if insert {
                    set.insert(number);
                    plain.insert(number);
                } else {
                    set.remove(number);
                    plain.remove(&number);
                }
                prop_assert_eq!(set.contains(number), insert);
            }
            let end = first + len;
            let missing: Vec<u32> = (first..end).filter(|number| !plain.contains(number)).collect();
            prop_assert_eq!(set.contains_all(first, end), missing.is_empty());
            prop_assert_eq!(set.count_missing(first, end) as usize, missing.len());
            prop_assert_eq!(set.missing(first, end).collect::<Vec<_>>(), missing);
            prop_assert_eq!(set.len(), plain.len());
            let present: Vec<u32> = plain.range(first..end).rev().copied().collect();
            prop_assert_eq!(set.last_to_first(first, end).collect::<Vec<_>>(), present);
        }
    }
}
