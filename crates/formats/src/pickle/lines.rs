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

/// A text without its quotes and escapes; `\xNN`, `\uNNNN` and `\UNNNNNNNN` name characters.
pub(super) fn text(line: &[u8]) -> Vec<u8> {
    let quoted = line.len() >= 2 && matches!(line[0], b'\'' | b'"') && line.ends_with(&line[..1]);
    let line = if quoted { &line[1..line.len() - 1] } else { line };
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let escaped = &rest[at + 1..];
        let (character, length) = escape(escaped).unwrap_or(('\\', 0));
        plain.push(character);
        rest = &escaped[length..];
    }
    plain.push_str(rest);
    plain.into_bytes()
}

/// The character that an escape names, and how many bytes it takes behind the backslash.
fn escape(escaped: &str) -> Option<(char, usize)> {
    let hex = |digits: usize| {
        let digits = escaped.get(1..=digits)?;
        let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
        Some((character, digits.len() + 1))
    };
    match escaped.bytes().next()? {
        b'n' => Some(('\n', 1)),
        b't' => Some(('\t', 1)),
        b'r' => Some(('\r', 1)),
        b'\\' => Some(('\\', 1)),
        b'\'' => Some(('\'', 1)),
        b'"' => Some(('"', 1)),
        b'x' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_name_characters() {
        assert_eq!(text(br"'a\x41\u00e9\\n'"), "aAé\\n".as_bytes());
        assert_eq!(text(br"plain \q"), br"plain \q");
        assert_eq!(text(br"cut \u00"), br"cut \u00");
    }

    #[test]
    fn numbers_may_have_a_suffix() {
        assert_eq!(integer(b"18446744073709551615L"), Some(i128::from(u64::MAX)));
        assert_eq!(integer(b"12x"), None);
    }
}
