//! Words: one word, one meaning, and names that say a noun.
//!
//! Names of files and of public items are checked, in the words they are made of. Three words of
//! the list that the project does without stay allowed, because they are also the field's own:
//! the *page* of an expandable segment, a padding *bucket*, and a compressed *chunk*.

use crate::complaint::Complaint;
use crate::source::{Source, identifiers, line_at};

/// What a file or module is never called, because it says nothing.
const EMPTY_NAMES: [&str; 12] = [
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "shared_utils",
    "stuff",
    "util",
    "utils",
];

/// How the name of a public type never ends.
const EMPTY_SUFFIXES: [&str; 5] = ["helper", "helpers", "manager", "util", "utils"];

/// Words that have another word here.
const OTHER_WORDS: [(&str, &str); 6] = [
    ("dump", "recording or snapshot"),
    ("heap", "pool"),
    ("hole", "gap"),
    ("op", "event or operation"),
    ("ops", "events or operations"),
    ("slab", "segment"),
];

/// British spellings a name or a doc comment may slip into, and the American ones.
const SPELLINGS: [(&str, &str); 12] = [
    ("analyse", "analyze"),
    ("behaviour", "behavior"),
    ("centre", "center"),
    ("colour", "color"),
    ("colours", "colors"),
    ("initialise", "initialize"),
    ("labelled", "labeled"),
    ("licence", "license"),
    ("neighbour", "neighbor"),
    ("neighbours", "neighbors"),
    ("optimise", "optimize"),
    ("serialise", "serialize"),
];

/// Complains of the names of files and public items, and of the spelling in Rust files.
pub fn check(files: &[(String, Source)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (file, source) in files {
        complaints.extend(check_file_name(file));
        complaints.extend(check_items(file, source.code()));
        complaints.extend(check_spelling(file, source.text()));
    }
    complaints
}

fn check_file_name(file: &str) -> Vec<Complaint> {
    let names = file.trim_end_matches(".rs").split('/');
    let mut complaints = Vec::new();
    for name in names {
        if EMPTY_NAMES.contains(&name) {
            let reason = format!("`{name}` says nothing: name the file after its noun");
            complaints.push(Complaint::about(file, reason));
        }
        complaints.extend(other_words(name).map(|reason| Complaint::about(file, reason)));
    }
    complaints
}

fn check_items(file: &str, code: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (at, kind, name) in public_items(code) {
        let line = line_at(code, at);
        let words = words_of(name);
        let is_type = matches!(kind, "struct" | "enum" | "trait" | "type" | "union");
        let suffix = words.last().filter(|word| EMPTY_SUFFIXES.contains(&word.as_str()));
        if let Some(suffix) = suffix.filter(|_| is_type) {
            let reason = format!("`{name}`: `{suffix}` says nothing about what the type is");
            complaints.push(Complaint::at_line(file, line, reason));
        }
        let others = other_words(name);
        complaints.extend(others.map(|reason| Complaint::at_line(file, line, reason)));
    }
    complaints
}

fn check_spelling(file: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // The table above is the one place where both spellings stand.
    if file == "xtask/src/words.rs" {
        return complaints;
    }
    for (at, word) in identifiers(text) {
        let word = word.to_lowercase();
        for part in word.split('_') {
            if let Some((_, american)) = SPELLINGS.iter().find(|(british, _)| *british == part) {
                let reason = format!("`{part}` is spelled `{american}` here");
                complaints.push(Complaint::at_line(file, line_at(text, at), reason));
            }
        }
    }
    complaints
}

fn other_words(name: &str) -> impl Iterator<Item = String> {
    words_of(name).into_iter().filter_map(move |word| {
        let (_, ours) = OTHER_WORDS.iter().find(|(theirs, _)| *theirs == word)?;
        Some(format!("`{name}` says `{word}`: the word here is {ours}"))
    })
}

/// The public items of a file: where each is named, its keyword, and its name.
fn public_items(code: &str) -> Vec<(usize, &str, &str)> {
    let mut items = Vec::new();
    let words: Vec<_> = identifiers(code).collect();
    for (place, &(at, word)) in words.iter().enumerate() {
        let is_pub = word == "pub" && !code[at + 3..].starts_with('(');
        let mut following = words[place + 1..].iter().take(4);
        let keyword = following
            .find(|(_, word)| !matches!(*word, "async" | "unsafe" | "extern") && *word != "const");
        let Some(&(keyword_at, keyword)) = keyword.filter(|_| is_pub) else { continue };
        let is_item =
            matches!(keyword, "struct" | "enum" | "trait" | "type" | "union" | "fn" | "mod");
        let named = words.iter().find(|(at, _)| *at > keyword_at).filter(|_| is_item);
        items.extend(named.map(|&(at, name)| (at, keyword, name)));
    }
    items
}

/// The words a name is made of, in lower case: of `SegmentSpan` or `segment_span`, both two.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut starts = true;
    for character in name.chars() {
        if !character.is_alphanumeric() {
            starts = true;
            continue;
        }
        if starts || character.is_uppercase() {
            words.push(String::new());
        }
        starts = false;
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str, expected: &[&str]) {
        let complaints = super::check(&[(file.to_owned(), Source::new(text))]);
        let complaints: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(complaints, expected);
    }

    #[test]
    fn files_are_named_after_nouns() {
        check("crates/a/src/gap.rs", "", &[]);
        check(
            "crates/a/src/utils.rs",
            "",
            &["crates/a/src/utils.rs: `utils` says nothing: name the file after its noun"],
        );
    }

    #[test]
    fn public_names_use_the_words_of_the_house() {
        check(
            "a.rs",
            "pub struct HoleSize;\nstruct Hole;\npub fn heaps() {}",
            &["a.rs:1: `HoleSize` says `hole`: the word here is gap"],
        );
        check(
            "a.rs",
            "pub struct PoolManager;",
            &["a.rs:1: `PoolManager`: `manager` says nothing about what the type is"],
        );
        check("a.rs", "pub const unsafe fn drop_page() {}", &[]);
    }

    #[test]
    fn spelling_is_american() {
        check(
            "a.rs",
            "/// The neighbour.\nfn a() {}",
            &["a.rs:1: `neighbour` is spelled `neighbor` here"],
        );
    }
}
