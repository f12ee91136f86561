//! Numbers and texts as protocol 0 writes them: as lines.

/// A decimal number, with the `L` that Python 2 put behind long ones.
pub(super) fn integer(line: &[u8]) -> Option<i128> {
    let text = str::from_utf8(line).ok()?.trim();
    text.strip_suffix('L').unwrap_or(text).parse().ok()
}

/// A decimal float.
pub(super) fn float(line: &[u8]) -> Option<f64> {
    str::from_utf8(line).ok()?.trim().parse().ok()
}

/// The bytes of a Python 2 text, without its quotes and escapes; `\xNN` names a byte.
pub(super) fn quoted(line: &[u8]) -> Vec<u8> {
    let is_quoted =
        line.len() >= 2 && matches!(line[0], b'\'' | b'"') && line.ends_with(&line[..1]);
    let mut rest = if is_quoted { &line[1..line.len() - 1] } else { line };
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = if byte == b'\\' { escape(behind) } else { None };
        let (byte, length) = escaped.unwrap_or((byte, 0));
        plain.push(byte);
        rest = &behind[length..];
    }
    plain
}

/// The byte that an escape names, and how many bytes it takes behind the backslash.
fn escape(escaped: &[u8]) -> Option<(u8, usize)> {
    match escaped.first()? {
        b'n' => Some((b'\n', 1)),
        b't' => Some((b'\t', 1)),
        b'r' => Some((b'\r', 1)),
        &byte @ (b'\\' | b'\'' | b'"') => Some((byte, 1)),
        b'x' => u8::try_from(hexadecimal(escaped, 2)?).ok().map(|byte| (byte, 3)),
        _ => None,
    }
}

/// A text in Latin-1, where `\uNNNN` and `\UNNNNNNNN` name the other characters.
pub(super) fn unicode(line: &[u8]) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = match (byte, behind.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        let named = if digits == 0 { None } else { hexadecimal(behind, digits) };
        let (character, length) = match named {
            Some(code) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), digits + 1),
            None => (char::from(byte), 0),
        };
        plain.push(character);
        rest = &behind[length..];
    }
    plain
}

/// The number that the digits behind the letter of an escape make.
fn hexadecimal(escaped: &[u8], digits: usize) -> Option<u32> {
    let digits = escaped.get(1..=digits)?;
    let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
    u32::from_str_radix(str::from_utf8(digits).ok().filter(|_| are_digits)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_old_texts_name_bytes() {
        assert_eq!(quoted(br"'a\x41\xc3\xa9\\n'"), "aAé\\n".as_bytes());
        assert_eq!(quoted(br"plain \q"), br"plain \q");
        assert_eq!(quoted(br"cut \x0"), br"cut \x0");
    }

    #[test]
    fn texts_are_latin_with_escapes_for_the_rest() {
        // pickle.dumps("é\\n😀", 0)
        assert_eq!(unicode(b"\xe9\\u005cn\\U0001f600"), "é\\n😀");
        assert_eq!(unicode(br"plain \n"), r"plain \n");
        assert_eq!(unicode(br"cut \u00"), r"cut \u00");
        assert_eq!(unicode(br"half \ud83d"), "half \u{fffd}");
    }

    #[test]
    fn numbers_may_have_a_suffix() {
        assert_eq!(integer(b"18446744073709551615L"), Some(i128::from(u64::MAX)));
        assert_eq!(integer(b"12x"), None);
    }
}
