//! Numbers as people read them.

use gapless_units::Bytes;

/// A count with its thousands apart: `23,988`.
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 block`, `2,000 blocks`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(count))
}

/// What is left of a list: `1 more place`, `9 more places`.
pub(crate) fn more(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} more {noun}{ending}", grouped(count))
}

/// A share in percent: `89.2 %`; a little is not shown as nothing, and not quite all not as all.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if 0.0 < percent && percent < 0.05 {
        "<0.1 %".to_owned()
    } else if (99.95..100.0).contains(&percent) {
        ">99.9 %".to_owned()
    } else if -0.05 < percent && percent < 0.0 {
        "0.0 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// The share that `part` is of `whole`, in percent.
pub(crate) fn percent_of(part: Bytes, whole: Bytes) -> String {
    percent(part.share_of(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_just_below_zero_has_no_sign() {
        assert_eq!([-0.0003, -0.02].map(percent), ["0.0 %", "-2.0 %"]);
    }

    #[test]
    fn thousands_stand_apart() {
        for (count, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (23988, "23,988"), (1234567, "1,234,567")]
        {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "block"), "1 block");
        assert_eq!(counted(2000, "block"), "2,000 blocks");
        assert_eq!(counted(0, "block"), "0 blocks");
        assert_eq!(more(1, "place"), "1 more place");
    }

    #[test]
    fn a_little_is_not_nothing_and_much_not_all() {
        assert_eq!(percent(0.99999), ">99.9 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(percent(0.0001), "<0.1 %");
        assert_eq!(percent_of(Bytes::new(1), Bytes::new(3)), "33.3 %");
    }
}
