//! How much of a document is read.
//!
//! A pickle may put one list in thousands of places at two bytes each, and a decoder that reads it
//! in each of them makes gigabytes of a small file. So reading a value costs a unit and so do 64
//! bytes of text, and there are as many units as the document has values and text. A document that
//! shares nothing but stacks, which are read once, never runs out.

use crate::document::Document;

/// What every document may cost: small ones may repeat themselves.
const FREE_UNITS: usize = 1 << 18;
/// Bytes of text that cost as much as a value.
const UNIT_BYTES: usize = 64;

/// The units that are left.
#[derive(Debug)]
pub(super) struct Allowance {
    left: usize,
}

impl Allowance {
    pub(super) fn of(document: &Document) -> Self {
        let texts = document.text_bytes() / UNIT_BYTES;
        Self { left: FREE_UNITS.saturating_add(document.value_count()).saturating_add(texts) }
    }

    /// Pays for `count` values; false where nothing was left. The last payment may be short, so
    /// that no single value is ever too large.
    pub(super) fn take(&mut self, count: usize) -> bool {
        let granted = 0 < self.left;
        self.left = self.left.saturating_sub(count);
        granted
    }

    /// Pays for copying a text.
    pub(super) fn take_text(&mut self, text: &str) -> bool {
        self.take(1 + text.len() / UNIT_BYTES)
    }

    /// How many of `count` values may be read at most.
    pub(super) fn at_most(&self, count: usize) -> usize {
        count.min(self.left)
    }
}
