//! Rust text with the parts blanked that are not code.
//!
//! The rules scan text instead of parsing Rust. For that to be sound, comments and literals must
//! not be mistaken for code: a [`Source`] keeps a copy of its text in which each of their bytes
//! is a space, so that offsets and lines stay the same.

/// A Rust file: its text as written, and its code alone.
#[derive(Clone, Debug)]
pub struct Source {
    text: String,
    code: String,
}

impl Source {
    /// The file with this text.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), code: code_of(text) }
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with comments, strings and characters blanked.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code with items under `#[cfg(test)]` blanked too.
    pub fn shipped_code(&self) -> String {
        without_tests(&self.code)
    }
}

/// The line of a byte of `text`, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count()
}

/// Whether a byte can stand in an identifier.
pub(crate) fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The identifiers of `code`, each with its offset.
pub(crate) fn identifiers(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let bytes = code.as_bytes();
        let start = rest + bytes.iter().skip(rest).position(|&byte| in_word(byte))?;
        let end = start + bytes.iter().skip(start).take_while(|&&byte| in_word(byte)).count();
        rest = end;
        Some((start, &code[start..end]))
    })
}

/// The offset just behind the bracket that closes the one at `open`, or the end of the code.
pub(crate) fn behind_closing(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            at += 1;
            continue;
        }
        blank(&mut code, at, end);
        at = end;
    }
    // What is left of other scripts stands in no identifier of this workspace.
    code.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { ' ' }).collect()
}

fn blank(code: &mut [u8], start: usize, end: usize) {
    for byte in code.iter_mut().take(end).skip(start) {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// The end of the comment or literal that starts at `at`; `at` itself where none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
    } else if rest.starts_with(b"/*") {
        at + comment_length(rest)
    } else if rest.starts_with(b"\"") {
        at + quoted_length(rest, b'"')
    } else if rest.starts_with(b"'") {
        at + character_length(rest)
    } else if at == 0 || !in_word(bytes[at - 1]) {
        at + raw_length(rest)
    } else {
        at
    }
}

fn comment_length(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, or 0 of a lifetime.
fn character_length(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => quoted_length(rest, b'\''),
        Some(&first) => {
            let width = if first.is_ascii() {
                1
            } else {
                1 + rest[2..].iter().take_while(|&&byte| byte & 0xc0 == 0x80).count()
            };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        None => 0,
    }
}

/// The length of a raw string, or 0 of anything else.
fn raw_length(rest: &[u8]) -> usize {
    let prefix = [&b"br"[..], b"cr", b"r"].into_iter().find(|prefix| rest.starts_with(prefix));
    let Some(prefix) = prefix else { return 0 };
    let after = &rest[prefix.len()..];
    let hashes = after.iter().take_while(|&&byte| byte == b'#').count();
    if after.get(hashes) != Some(&b'"') {
        return 0;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = prefix.len() + hashes + 1;
    let inside = rest[body..].windows(closing.len()).position(|window| window == closing);
    inside.map_or(rest.len(), |inside| body + inside + closing.len())
}

fn without_tests(code: &str) -> String {
    let mut shipped = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[") {
        let attribute = from + found;
        let behind = behind_closing(code, attribute + 1);
        from = behind;
        let mut words = identifiers(&code[attribute..behind]).map(|(_, word)| word);
        let only_tests = words.next() == Some("cfg") && words.any(|word| word == "test");
        if only_tests {
            from = item_end(code, behind);
            blank(&mut shipped, attribute, from);
        }
    }
    shipped.into_iter().map(char::from).collect()
}

/// The end of the item that starts at `at`, with further attributes before it.
fn item_end(code: &str, at: usize) -> usize {
    let mut at = at;
    while let Some(byte) = code.as_bytes().get(at) {
        match byte {
            b';' => return at + 1,
            b'{' => return behind_closing(code, at),
            b'(' | b'[' => at = behind_closing(code, at),
            _ => at += 1,
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Source::new(text).code(), expected);
    }

    #[test]
    fn comments_are_blanked_to_their_end() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
    }

    #[test]
    fn strings_are_blanked_and_lifetimes_are_not() {
        check(r#"f("a\"b") + c"#, "f(      ) + c");
        check(r##"f(r#"a"b"#) + c"##, "f(        ) + c");
        check("f::<'a>('{', '\\'', b'x')", "f::<'a>(   ,     , b   )");
    }

    #[test]
    fn raw_identifiers_are_code() {
        check("r#type", "r#type");
    }

    #[test]
    fn items_for_tests_alone_are_not_shipped() {
        let source = Source::new("mod a;\n#[cfg(test)]\nmod tests { fn f() {} }\nmod b;");
        let words: Vec<_> =
            identifiers(&source.shipped_code()).map(|(_, word)| word.to_owned()).collect();
        assert_eq!(words, ["mod", "a", "mod", "b"]);
    }
}
