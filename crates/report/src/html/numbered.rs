//! Things numbered in the order they came.

use std::collections::BTreeMap;

/// Distinct things, each with the number of distinct things before it.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    numbers: BTreeMap<T, u32>,
    order: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), order: Vec::new() }
    }
}

impl<T: Copy + Ord> Numbered<T> {
    /// The number of a thing, a new one where it was not met before.
    pub(super) fn number(&mut self, thing: T) -> u32 {
        if let Some(&number) = self.numbers.get(&thing) {
            return number;
        }
        let number = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        self.order.push(thing);
        self.numbers.insert(thing, number);
        number
    }

    /// The things by their numbers.
    pub(super) fn things(&self) -> &[T] {
        &self.order
    }
}
