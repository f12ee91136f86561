//! Sizes: a file that outgrows one noun, or a function that outgrows one screen, is cut.

use crate::complaint::Complaint;
use crate::source::{Source, behind_closing, identifiers, line_at};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 60;

/// Complains of every file and every function that is too long.
pub fn check(files: &[(String, Source)]) -> Vec<Complaint> {
    files.iter().flat_map(|(file, source)| check_file(file, source)).collect()
}

fn check_file(file: &str, source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let lines = source.text().lines().count();
    if lines > FILE_LINES {
        let reason = format!("has {lines} lines, more than {FILE_LINES}: look for the second noun");
        complaints.push(Complaint::about(file, reason));
    }
    for (name, line, lines) in functions(source.code()) {
        if lines > FUNCTION_LINES {
            let reason = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES}");
            complaints.push(Complaint::at_line(file, line, reason));
        }
    }
    complaints
}

/// The functions that have a body: name, first line, and count of lines.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    let mut words = identifiers(code).peekable();
    while let Some((at, word)) = words.next() {
        let Some(&(name_at, name)) = words.peek() else { break };
        // A type such as `fn(u8)` has no name behind the word.
        let is_named = code[at + word.len()..name_at].trim().is_empty();
        if word != "fn" || !is_named {
            continue;
        }
        if let Some(open) = body_of(code, name_at) {
            let (first, last) = (line_at(code, at), line_at(code, behind_closing(code, open)));
            functions.push((name.to_owned(), first, last - first + 1));
        }
    }
    functions
}

/// Where the body of the function opens whose name stands at `name_at`; a mere signature has none.
fn body_of(code: &str, name_at: usize) -> Option<usize> {
    let mut at = name_at;
    loop {
        match code.as_bytes().get(at)? {
            b'{' => return Some(at),
            b';' => return None,
            b'(' | b'[' => at = behind_closing(code, at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, usize, usize)]) {
        let found = functions(Source::new(text).code());
        let found: Vec<_> =
            found.iter().map(|(name, line, lines)| (name.as_str(), *line, *lines)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn bodies_are_measured_and_signatures_are_not() {
        check("fn a(x: [u8; 3]) {\n  // }\n  \"}\";\n}\ntrait T { fn b(&self); }", &[("a", 1, 4)]);
        check("type F = fn(u8) -> u8;\nfn c() {}", &[("c", 2, 1)]);
    }

    #[test]
    fn a_long_file_is_named_with_its_lines() {
        let source = Source::new(&"//! a\n".repeat(601));
        let complaints = check_file("crates/a/src/b.rs", &source);
        assert_eq!(complaints.len(), 1);
        assert_eq!(
            complaints[0].to_string(),
            "crates/a/src/b.rs: has 601 lines, more than 600: look for the second noun"
        );
    }
}
