//! Breaking sentences into lines.

/// Units that stay on the line of their number.
const UNITS: [&str; 8] = ["B", "KiB", "MiB", "GiB", "TiB", "%", "ms", "s"];

/// The lines of `text`, none longer than `width` unless a single word is.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in words(text) {
        let word_length = word.chars().count();
        if 0 < length && width < length + 1 + word_length {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if 0 < length {
            line.push(' ');
            length += 1;
        }
        line.push_str(&word);
        length += word_length;
    }
    if 0 < length {
        lines.push(line);
    }
    lines
}

/// The pieces joined by ` · `, broken only between pieces.
pub(crate) fn join(pieces: &[String], width: usize) -> Vec<String> {
    const BETWEEN: &str = " · ";
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 3 + piece.chars().count() <= width => {
                line.push_str(BETWEEN);
                line.push_str(piece);
            }
            Some(_) | None => lines.push(piece.clone()),
        }
    }
    lines
}

/// The text's words, a number and its unit as one.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '%');
        match words.last_mut() {
            Some(last) if UNITS.contains(&bare) && last.ends_with(|c: char| c.is_ascii_digit()) => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, width: usize, expected: &[&str]) {
        assert_eq!(wrap(text, width), expected, "{text}");
    }

    #[test]
    fn lines_are_filled_up_to_the_width() {
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 6, &["one", "two", "three"]);
        check("", 7, &[]);
    }

    #[test]
    fn a_word_longer_than_a_line_has_its_own() {
        check("a enormous b", 4, &["a", "enormous", "b"]);
    }

    #[test]
    fn numbers_keep_their_units() {
        check("about 2.68 GiB, or 10 % of it", 10, &["about", "2.68 GiB,", "or 10 % of", "it"]);
    }

    #[test]
    fn pieces_are_not_broken() {
        let pieces = ["device 0", "default settings", "3 events"].map(str::to_owned);
        assert_eq!(join(&pieces, 30), ["device 0 · default settings", "3 events"]);
    }
}
