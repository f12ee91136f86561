//! Integers of a snapshot, which several writers encode differently.

use crate::document::{Document, Value, View};

/// An unsigned 64-bit number: PyTorch's C++ pickler writes those past 2^63 as negative, JSON
/// writers may make floats of them, and `True` is 1.
pub(super) fn address(document: &Document, value: Value) -> Option<u64> {
    match integer(document, value)? {
        number if number < 0 => i64::try_from(number).ok().map(i64::cast_unsigned),
        number => u64::try_from(number).ok(),
    }
}

/// A number of bytes or another count: never negative.
pub(super) fn count(document: &Document, value: Value) -> Option<u64> {
    integer(document, value).and_then(|number| u64::try_from(number).ok())
}

/// A limit in bytes, where the largest numbers and all negative ones stand for no limit.
pub(super) fn limit(document: &Document, value: Value) -> Option<u64> {
    count(document, value).filter(|&limit| limit < 1 << 62)
}

/// Any integer.
pub(super) fn integer(document: &Document, value: Value) -> Option<i128> {
    match document.view(value) {
        View::Int(number) => Some(number),
        View::Bool(flag) => Some(i128::from(flag)),
        View::Float(number) => whole(number),
        View::None | View::Text(_) | View::List | View::Tuple | View::Dict | View::Opaque => None,
    }
}

/// Any number.
pub(super) fn real(document: &Document, value: Value) -> Option<f64> {
    let whole = || integer(document, value).map(|number| number as f64);
    document.as_float(value).or_else(whole)
}

/// Whether a value is `True`, which JSON writers may make a 1 of.
pub(super) fn flag(document: &Document, value: Value) -> bool {
    integer(document, value).is_some_and(|number| number != 0)
}

/// A float that is a whole number of at most 64 bits.
fn whole(number: f64) -> Option<i128> {
    let fits = number.fract() == 0.0 && number.abs() < 2_f64.powi(64);
    #[expect(clippy::cast_possible_truncation, reason = "the number is whole and was bounded")]
    fits.then_some(number as i128)
}
