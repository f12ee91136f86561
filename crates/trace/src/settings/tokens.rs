//! The settings string cut into tokens as PyTorch's `ConfigTokenizer` cuts it.

/// A word or a separator, and where it begins in the string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) place: usize,
}

/// White space vanishes, even inside of words; each of `, : [ ]` is a token of its own.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut open = false;
    for (place, c) in text.char_indices() {
        if c.is_ascii_whitespace() {
            continue;
        }
        let separates = matches!(c, ',' | ':' | '[' | ']');
        match tokens.last_mut() {
            Some(word) if open && !separates => word.text.push(c),
            Some(_) | None => tokens.push(Token { text: c.to_string(), place }),
        }
        open = !separates;
    }
    tokens
}
