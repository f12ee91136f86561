//! Writes pickles of plain data, in the opcodes of protocol 4 that PyTorch's own snapshots use.

use rustc_hash::FxHashMap;

/// Items that one opcode adds to a list, as Python's own pickler has it: the viewer in the browser
/// runs out of stack on a million at once.
pub(super) const BATCH: usize = 1000;

/// A pickle being written. Texts are written once; whoever writes containers more than once
/// remembers them with [`Pickler::memoize`].
#[derive(Debug, Default)]
pub(super) struct Pickler {
    bytes: Vec<u8>,
    remembered: u32,
    texts: FxHashMap<String, Memo>,
}

/// Something written before, to be fetched again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memo(u32);

impl Pickler {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0x80, 4], ..Self::default() }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    /// Remembers what was written last.
    pub(super) fn memoize(&mut self) -> Memo {
        self.bytes.push(0x94);
        let memo = Memo(self.remembered);
        self.remembered += 1;
        memo
    }

    pub(super) fn fetch(&mut self, memo: Memo) {
        if let Ok(short) = u8::try_from(memo.0) {
            self.bytes.extend([b'h', short]);
        } else {
            self.bytes.push(b'j');
            self.bytes.extend(memo.0.to_le_bytes());
        }
    }

    /// A dict, its entries being keys and values in turn.
    pub(super) fn dict(&mut self, entries: impl FnOnce(&mut Self)) {
        self.bytes.extend(b"}(");
        entries(self);
        self.bytes.push(b'u');
    }

    /// A list without items yet.
    pub(super) fn empty_list(&mut self) {
        self.bytes.push(b']');
    }

    /// Some items for the list written last, at most [`BATCH`] of them.
    pub(super) fn items(&mut self, items: impl FnOnce(&mut Self)) {
        self.bytes.push(b'(');
        items(self);
        self.bytes.push(b'e');
    }

    pub(super) fn pair(&mut self, first: u64, second: u64) {
        self.number(first);
        self.number(second);
        self.bytes.push(0x86);
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some(&memo) = self.texts.get(text) {
            return self.fetch(memo);
        }
        if let Ok(length) = u8::try_from(text.len()) {
            self.bytes.extend([0x8c, length]);
        } else if let Ok(length) = u32::try_from(text.len()) {
            self.bytes.push(b'X');
            self.bytes.extend(length.to_le_bytes());
        } else {
            self.bytes.push(0x8d);
            self.bytes.extend((text.len() as u64).to_le_bytes());
        }
        self.bytes.extend(text.as_bytes());
        let memo = self.memoize();
        self.texts.insert(text.to_owned(), memo);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.bytes.push(if flag { 0x88 } else { 0x89 });
    }

    pub(super) fn real(&mut self, real: f64) {
        self.bytes.push(b'G');
        self.bytes.extend(real.to_be_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.integer(i128::from(number));
    }

    pub(super) fn integer(&mut self, number: i128) {
        if let Ok(short) = u8::try_from(number) {
            self.bytes.extend([b'K', short]);
        } else if let Ok(short) = u16::try_from(number) {
            self.bytes.push(b'M');
            self.bytes.extend(short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(number) {
            self.bytes.push(b'J');
            self.bytes.extend(int.to_le_bytes());
        } else if let Ok(long) = i64::try_from(number) {
            self.bytes.extend([0x8a, 8]);
            self.bytes.extend(long.to_le_bytes());
        } else {
            self.bytes.extend([0x8a, 16]);
            self.bytes.extend(number.to_le_bytes());
        }
    }
}
