//! How documents write sizes and statements.

use gapless_units::{Bytes, KIB, MIB};

/// A size as documents write it: `18.5M`, `512`, `2M-512`.
pub(crate) fn size_of(text: &str) -> Option<Bytes> {
    if let Some((left, right)) = text.split_once('+') {
        return size_of(left)?.checked_add(size_of(right)?).ok();
    }
    if let Some((left, right)) = text.split_once('-') {
        return size_of(left)?.checked_sub(size_of(right)?).ok();
    }
    text.parse().ok()
}

/// A size in the one way in which what is expected and what is found are compared.
pub(crate) fn shown(size: Bytes) -> String {
    let bytes = size.get();
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(MIB) => format!("{}M", bytes / MIB),
        _ if bytes.is_multiple_of(MIB / 2) => format!("{}.5M", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{}K", bytes / KIB),
        _ => bytes.to_string(),
    }
}

/// A statement with every size written as [`shown`] writes it.
pub(crate) fn plain(statement: &str) -> String {
    let words = statement.split_whitespace().map(|word| {
        let bare = word.trim_end_matches([',', ':']);
        let end = &word[bare.len()..];
        let (kind, size) = match bare.strip_prefix(['S', 'L']) {
            Some(size) if size_of(size).is_some() => (&bare[..1], size),
            Some(_) | None => ("", bare),
        };
        size_of(size).map_or(word.to_owned(), |size| format!("{kind}{}{end}", shown(size)))
    });
    words.collect::<Vec<_>>().join(" ")
}
