//! Columns of numbers as the page opens them: varints, deflated together, in base64.
//!
//! ```text
//!   directory   [{"name":"born","code":"steps","array":"u32","count":3,"bytes":4}, …]
//!   base64      deflate( born's bytes │ size's bytes │ … )
//! ```
//!
//! A varint has seven bits a byte, the lowest first, and the top bit set on all but the last. A
//! column of steps holds the difference to the number before, with the sign in the lowest bit.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

/// The typed array the page keeps a column in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Array {
    /// Numbers below 2^8.
    U8,
    /// Numbers below 2^32.
    U32,
    /// Byte counts, exact below 2^53.
    F64,
}

impl Array {
    fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U32 => "u32",
            Self::F64 => "f64",
        }
    }
}

/// Columns so far.
#[derive(Debug, Default)]
pub(super) struct Columns {
    directory: Vec<Value>,
    bytes: Vec<u8>,
}

impl Columns {
    /// Adds numbers as they are: best where neighbors have nothing in common.
    pub(super) fn plain(
        &mut self,
        name: &str,
        array: Array,
        numbers: impl IntoIterator<Item = u64>,
    ) {
        self.column(name, "plain", array, |bytes| {
            numbers.into_iter().map(|number| push_varint(bytes, number)).count()
        });
    }

    /// Adds numbers by their differences: best where neighbors are near each other.
    pub(super) fn steps(
        &mut self,
        name: &str,
        array: Array,
        numbers: impl IntoIterator<Item = i64>,
    ) {
        let mut last = 0_i64;
        self.column(name, "steps", array, |bytes| {
            let step = |number: i64| {
                let step = number.wrapping_sub(last);
                last = number;
                push_varint(bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
            };
            numbers.into_iter().map(step).count()
        });
    }

    /// Adds a JSON value, which the page parses.
    pub(super) fn json(&mut self, name: &str, value: &Value) {
        let text = value.to_string();
        self.directory.push(json!({"name": name, "code": "json", "bytes": text.len()}));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn column(
        &mut self,
        name: &str,
        code: &str,
        array: Array,
        fill: impl FnOnce(&mut Vec<u8>) -> usize,
    ) {
        let start = self.bytes.len();
        let count = fill(&mut self.bytes);
        let bytes = self.bytes.len() - start;
        let array = array.name();
        self.directory.push(
            json!({"name": name, "code": code, "array": array, "count": count, "bytes": bytes}),
        );
    }

    /// The directory, and all columns as text for the page.
    pub(super) fn pack(self) -> (Value, String) {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
        let deflated = encoder.write_all(&self.bytes).and_then(|()| encoder.finish());
        // A vector takes all that is written to it, so there is no error to hand on.
        let deflated = deflated.unwrap_or_default();
        (Value::Array(self.directory), STANDARD.encode(deflated))
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bytes(fill: impl FnOnce(&mut Columns), expected: &[u8]) {
        let mut columns = Columns::default();
        fill(&mut columns);
        assert_eq!(columns.bytes, expected);
    }

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        check_bytes(|c| c.plain("n", Array::U32, [0, 127, 128, 300]), &[0, 127, 128, 1, 172, 2]);
    }

    #[test]
    fn steps_carry_their_sign_in_the_lowest_bit() {
        check_bytes(|c| c.steps("n", Array::F64, [5, 3, 3, 70]), &[10, 3, 0, 134, 1]);
    }

    #[test]
    fn the_directory_says_how_to_find_a_column_again() {
        let mut columns = Columns::default();
        columns.plain("size", Array::F64, [512, 1]);
        columns.json("keys", &json!([]));
        let (directory, base64) = columns.pack();
        assert_eq!(
            directory,
            json!([
                {"name": "size", "code": "plain", "array": "f64", "count": 2, "bytes": 3},
                {"name": "keys", "code": "json", "bytes": 2}
            ])
        );
        let mut inflated = Vec::new();
        let deflated = STANDARD.decode(base64).unwrap();
        flate2::write::ZlibDecoder::new(&mut inflated).write_all(&deflated).unwrap();
        assert_eq!(inflated, [128, 4, 1, b'[', b']']);
    }
}
