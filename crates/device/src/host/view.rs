//! Device memory as it is read and written.
//!
//! Several streams may touch the same bytes at once, in a program that has such a bug: that must
//! give wrong bytes and nothing worse. So memory is touched in one way only, by relaxed atomic
//! accesses to whole aligned words; where an extent begins or ends inside of a word, only its
//! bytes are exchanged.
//!
//! ```text
//!   words    |········|········|········|········|
//!   extent         [──────────────────)
//!   lane       -5..3    3..11    11..19            offsets of its bytes, those outside masked
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

const WORD: usize = size_of::<u64>();

/// The bytes of an extent.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// The aligned words that hold the bytes.
    words: &'a [AtomicU64],
    /// How many bytes of the first word come before.
    lead: usize,
    len: usize,
}

/// A word of a view.
struct Lane<'a> {
    word: &'a AtomicU64,
    /// The offset of the word's first byte from the start of the view; negative in the first word
    /// of a view that begins inside of it.
    offset: i64,
    /// The bits of the bytes that belong to the view.
    mask: u64,
}

impl Lane<'_> {
    fn load(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    fn store(&self, value: u64) {
        if self.mask == u64::MAX {
            self.word.store(value, Ordering::Relaxed);
            return;
        }
        // Other bytes of the word may be written meanwhile: they are theirs.
        let exchange = |old: u64| Some(old & !self.mask | value & self.mask);
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, exchange);
    }
}

impl<'a> View<'a> {
    /// The `len` bytes that begin `lead` bytes into the words and end in their last one.
    pub(super) fn new(words: &'a [AtomicU64], lead: usize, len: usize) -> Self {
        Self { words, lead, len }
    }

    fn lanes(self) -> impl Iterator<Item = Lane<'a>> {
        let (lead, end) = (self.lead, self.lead + self.len);
        self.words.iter().enumerate().map(move |(index, word)| {
            let start = index * WORD;
            let offset = signed(start) - signed(lead);
            if lead <= start && start + WORD <= end {
                return Lane { word, offset, mask: u64::MAX };
            }
            let inside = |at| lead <= start + at && start + at < end;
            let bytes: [u8; WORD] = std::array::from_fn(|at| if inside(at) { 0xff } else { 0 });
            Lane { word, offset, mask: u64::from_ne_bytes(bytes) }
        })
    }

    /// Writes to each word what `content` gives for the offset of its first byte.
    pub(super) fn fill(self, content: impl Fn(i64) -> u64) {
        for lane in self.lanes() {
            lane.store(content(lane.offset));
        }
    }

    /// The first byte that is not what `content` gives: its offset, what it should be and what it
    /// is.
    pub(super) fn find_difference(self, content: impl Fn(i64) -> u64) -> Option<Difference> {
        self.lanes().find_map(|lane| {
            let (expected, found) = (content(lane.offset), lane.load());
            if (expected ^ found) & lane.mask == 0 {
                return None;
            }
            let (mask, expected) = (lane.mask.to_ne_bytes(), expected.to_ne_bytes());
            let found = found.to_ne_bytes();
            let at = (0..WORD).find(|&at| mask[at] != 0 && expected[at] != found[at])?;
            let offset = u64::try_from(lane.offset + signed(at)).ok()?;
            Some(Difference { offset, expected: expected[at], found: found[at] })
        })
    }

    /// The bytes.
    pub(super) fn read(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.words.len() * WORD);
        for lane in self.lanes() {
            bytes.extend(lane.load().to_ne_bytes());
        }
        bytes.drain(..self.lead);
        bytes.truncate(self.len);
        bytes
    }

    /// Writes bytes, as many as the view has.
    pub(super) fn write(self, bytes: &[u8]) {
        self.fill(|offset| {
            let byte = |at: usize| {
                let index = usize::try_from(offset + signed(at)).ok();
                index.and_then(|index| bytes.get(index)).copied().unwrap_or_default()
            };
            u64::from_ne_bytes(std::array::from_fn(byte))
        });
    }
}

/// A byte that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) offset: u64,
    pub(super) expected: u8,
    pub(super) found: u8,
}

/// An offset in memory; no memory is so large that it does not fit.
fn signed(offset: usize) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(u64::MAX)).collect()
    }

    fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect()
    }

    /// The words that a view of `len` bytes behind `lead` others has.
    fn span(words: &[AtomicU64], lead: usize, len: usize) -> &[AtomicU64] {
        &words[..(lead + len).div_ceil(WORD)]
    }

    #[test]
    fn only_the_bytes_of_the_extent_are_touched() {
        for lead in 0..WORD {
            for len in 0..3 * WORD {
                let words = words(4);
                let view = View::new(span(&words, lead, len), lead, len);
                let written: Vec<u8> = (1..).take(len).collect();
                view.write(&written);
                assert_eq!(view.read(), written);
                let mut expected = vec![0xff; 4 * WORD];
                expected[lead..lead + len].copy_from_slice(&written);
                assert_eq!(bytes_of(&words), expected, "{len} bytes behind {lead}");
            }
        }
    }

    #[test]
    fn the_first_wrong_byte_is_told() {
        for lead in 0..WORD {
            for wrong in 0..2 * WORD {
                let words = words(4);
                let len = 2 * WORD + 1;
                let view = View::new(span(&words, lead, len), lead, len);
                view.fill(|_| 0);
                assert_eq!(view.find_difference(|_| 0), None);
                let mut bytes = vec![0; len];
                bytes[wrong..].fill(7);
                view.write(&bytes);
                let offset = wrong as u64;
                let told = Some(Difference { offset, expected: 0, found: 7 });
                assert_eq!(view.find_difference(|_| 0), told);
            }
        }
    }
}
