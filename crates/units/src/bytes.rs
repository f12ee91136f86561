//! Sizes in bytes, and how people read and write them.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;

/// 2^10 bytes.
pub const KIB: u64 = 1 << 10;
/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;
/// 2^30 bytes.
pub const GIB: u64 = 1 << 30;

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// A size of `bytes` bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of `mib` times 2^20 bytes. Panics where that is no number of 64 bits.
    pub const fn mib(mib: u64) -> Self {
        Self::times(mib, MIB)
    }

    /// A size of `gib` times 2^30 bytes. Panics where that is no number of 64 bits.
    pub const fn gib(gib: u64) -> Self {
        Self::times(gib, GIB)
    }

    const fn times(count: u64, unit: u64) -> Self {
        assert!(count <= u64::MAX / unit, "more bytes than 64 bits can count");
        Self(count * unit)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether there is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or both operands where it does not fit 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_add(other.0).map(Self).ok_or(Overflow {
            left: self,
            operator: '+',
            right: other,
        })
    }

    /// The difference, or both operands where it would be negative.
    pub fn checked_sub(self, other: Self) -> Result<Self, Overflow> {
        self.0.checked_sub(other.0).map(Self).ok_or(Overflow {
            left: self,
            operator: '-',
            right: other,
        })
    }

    /// The difference, or nothing where it would be negative.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Rounded up to a multiple of `unit`, which is not zero; that has to fit 64 bits.
    #[must_use]
    pub fn round_up(self, unit: Self) -> Self {
        let units = self.0.div_ceil(unit.0);
        // Without the check of this profile a program of others would go on with nothing.
        units.checked_mul(unit.0).map_or_else(|| panic!("{self} and {unit} do not fit"), Self)
    }

    /// Rounded down to a multiple of `unit`, which is not zero.
    #[must_use]
    pub fn round_down(self, unit: Self) -> Self {
        Self(self.0 / unit.0 * unit.0)
    }

    /// The least size that is shown exactly and is no less: for the least of something, which a reader may
    /// type again.
    #[must_use]
    pub fn shown_at_least(self) -> Self {
        let size = u128::from(self.0);
        let mut unit = u128::from(KIB);
        for (_, decimals) in SHOWN {
            if (unit..1024 * unit).contains(&size) {
                let parts = 10_u128.pow(decimals);
                let shown = (size * parts).div_ceil(unit);
                let bytes = (shown * unit).div_ceil(parts);
                return Self(u64::try_from(bytes).unwrap_or(u64::MAX));
            }
            unit *= 1024;
        }
        self
    }

    /// The share of `whole` these bytes are, from 0 to 1; 0 of nothing.
    pub fn share_of(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }
}

impl Add for Bytes {
    type Output = Self;

    /// The sum of two sizes that are known to fit 64 bits together.
    fn add(self, other: Self) -> Self {
        self.checked_add(other).unwrap_or_else(|overflow| panic!("{overflow}"))
    }
}

impl Sub for Bytes {
    type Output = Self;

    /// The difference of two sizes, the second known to be no larger than the first.
    fn sub(self, other: Self) -> Self {
        self.checked_sub(other).unwrap_or_else(|overflow| panic!("{overflow}"))
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Bytes {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

/// A sum or difference of sizes that 64 bits cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// The operand on the left.
    pub left: Bytes,
    /// `+` or `-`.
    pub operator: char,
    /// The operand on the right.
    pub right: Bytes,
}

impl fmt::Display for Overflow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {} bytes do not fit 64 bits", self.left.0, self.operator, self.right.0)
    }
}

impl std::error::Error for Overflow {}

/// The units of sizes that are shown, each 1024 of the one before, with how many decimals.
const SHOWN: [(&str, u32); 6] =
    [("KiB", 1), ("MiB", 1), ("GiB", 2), ("TiB", 2), ("PiB", 2), ("EiB", 2)];

/// Sizes as people read them, in the largest unit of 1024's powers that gives at least 1: whole
/// bytes below 1 KiB, one decimal in KiB and MiB, two from GiB on.
impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return out.pad("0");
        }
        if self.0 < KIB {
            return out.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / KIB as f64;
        let mut units = SHOWN.iter().peekable();
        while let Some(&(name, decimals)) = units.next() {
            let text = format!("{value:.0$} {name}", decimals as usize);
            // What rounds up to 1024 of a unit is one of the next.
            if units.peek().is_none() || !text.starts_with("1024.") && value < 1024.0 {
                return out.pad(&text);
            }
            value /= 1024.0;
        }
        Ok(())
    }
}

/// Text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBytesError {
    text: String,
}

impl fmt::Display for ParseBytesError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "`{}` is not a size: write bytes, or a number with KiB, MiB, GiB or TiB",
            self.text
        )
    }
}

impl std::error::Error for ParseBytesError {}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    /// Reads `1536`, `1.5KiB`, `512 MiB`, `40G`: a number and a unit of 1024's powers.
    fn from_str(text: &str) -> Result<Self, ParseBytesError> {
        let refused = || ParseBytesError { text: text.to_owned() };
        let trimmed = text.trim();
        let digits =
            trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => MIB,
            "g" | "gb" | "gib" => GIB,
            "t" | "tb" | "tib" => 1024 * GIB,
            _ => return Err(refused()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(refused);
        }
        let value = number.parse::<f64>().map_err(|_| refused())? * factor as f64;
        if !value.is_finite() || value >= 2_f64.powi(63) {
            return Err(refused());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number has no sign and was just bounded"
        )]
        Ok(Self(value.round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_reads(text: &str, bytes: u64) {
        assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
    }

    #[test]
    fn what_is_shown_as_the_least_is_no_less_when_it_is_typed() {
        let sizes =
            [0, 1, 1023, 1024, 1025, 1_048_575, 50_470_060_032, 49_663_836_160, 18_068_013_056];
        let near = (1..62).flat_map(|power| [-1, 0, 1].map(|by| (1_i64 << power) + by));
        let near = near.map(i64::unsigned_abs);
        for size in sizes.into_iter().chain(near).map(Bytes::new) {
            let shown = size.shown_at_least().to_string();
            // What is shown in larger units than TiB cannot be typed.
            if let Ok(typed) = shown.parse::<Bytes>() {
                assert!(size <= typed, "{size:?} is shown as {shown}");
                assert!(typed.get() - size.get() <= size.get() / 10 + 1, "{size:?} as {shown}");
            }
        }
        assert_eq!(Bytes::new(50_470_060_032).to_string(), "47.00 GiB");
        assert_eq!(Bytes::new(50_470_060_032).shown_at_least().to_string(), "47.01 GiB");
    }

    fn check_shows(bytes: u64, text: &str) {
        assert_eq!(Bytes::new(bytes).to_string(), text);
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_gives_one() {
        check_shows(0, "0");
        check_shows(512, "512 B");
        check_shows(1536, "1.5 KiB");
        check_shows(20 * MIB, "20.0 MiB");
        check_shows(1569792000, "1.46 GiB");
        check_shows(MIB - 5, "1.0 MiB");
        check_shows(GIB - 1, "1.00 GiB");
        check_shows(u64::MAX, "16.00 EiB");
    }

    #[test]
    fn sizes_are_read_with_every_common_unit() {
        check_reads("1536", 1536);
        check_reads("1.5KiB", 1536);
        check_reads(" 512 MiB", 512 * MIB);
        check_reads("40G", 40 * GIB);
    }

    #[test]
    fn text_that_is_no_size_is_refused() {
        for text in
            ["", "GiB", "-1", "1 parsec", "1e999", "99999999999999999999", "18446744073709551615G"]
        {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_overflow_names_both_operands() {
        let overflow = Bytes::new(u64::MAX).checked_add(Bytes::new(1)).unwrap_err();
        assert_eq!(overflow.to_string(), "18446744073709551615 + 1 bytes do not fit 64 bits");
        let underflow = Bytes::new(1).checked_sub(Bytes::new(2)).unwrap_err();
        assert_eq!(underflow.to_string(), "1 - 2 bytes do not fit 64 bits");
    }

    #[test]
    fn rounding_keeps_multiples() {
        assert_eq!(Bytes::new(512).round_up(Bytes::new(512)), Bytes::new(512));
        assert_eq!(Bytes::new(513).round_up(Bytes::new(512)), Bytes::new(1024));
        assert_eq!(Bytes::new(1023).round_down(Bytes::new(512)), Bytes::new(512));
    }
}
