//! Bytes that no other piece of memory has.

/// The eight bytes of the pattern `seed` from `offset` on, in the order of memory. Every byte
/// depends on the seed and on its offset alone, wherever the eight begin.
pub(super) fn pattern(seed: u64, offset: i64) -> u64 {
    let inside = offset.rem_euclid(8).unsigned_abs();
    let first = mix(seed, offset.div_euclid(8));
    if inside == 0 {
        return u64::from_ne_bytes(first.to_le_bytes());
    }
    let second = mix(seed, offset.div_euclid(8) + 1);
    let bytes = first >> (8 * inside) | second << (64 - 8 * inside);
    u64::from_ne_bytes(bytes.to_le_bytes())
}

/// A number that looks random (Sebastiano Vigna's `SplitMix64`).
fn mix(seed: u64, index: i64) -> u64 {
    let at = seed.wrapping_add(index.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let at = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let at = (at ^ (at >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    at ^ (at >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_depends_on_its_offset_alone() {
        let bytes: Vec<u8> = (0..8).flat_map(|word| pattern(5, 8 * word).to_ne_bytes()).collect();
        for offset in 0..56 {
            let at = usize::try_from(offset).unwrap();
            assert_eq!(pattern(5, offset).to_ne_bytes(), bytes[at..at + 8]);
        }
        // What lies before the start is never read, and may be anything.
        assert_eq!(pattern(5, -3).to_ne_bytes()[3..], bytes[..5]);
    }

    #[test]
    fn seeds_that_follow_each_other_give_other_bytes() {
        let bytes = |seed| (0..512).flat_map(move |word| pattern(seed, 8 * word).to_ne_bytes());
        let equal = bytes(1).zip(bytes(2)).filter(|(one, two)| one == two).count();
        // Of 4096 random pairs 16 are equal, about.
        assert!(equal < 40, "{equal} of 4096 bytes are equal");
    }
}
