//! The paths a Rust file names: those that start at `crate`, `super` or `self`, and those of its
//! `use` declarations, with groups in braces spelled out.

use crate::source::{behind_closing, identifiers, in_word};

/// A path as it stands in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// The offset of its first word.
    pub(crate) at: usize,
    /// Its words; `*` is one.
    pub(crate) segments: Vec<String>,
    /// The name it has in the file, where a `use` gives it one.
    pub(crate) alias: Option<String>,
}

/// Every path of the file that starts at `crate`, `super` or `self`.
pub(crate) fn rooted_paths(code: &str) -> Vec<NamedPath> {
    let mut paths = Vec::new();
    for (at, word) in identifiers(code) {
        let behind = at + word.len();
        let is_root = matches!(word, "crate" | "super" | "self");
        let is_first = !code[..at].trim_end().ends_with("::") && !inside_group(code, at);
        if is_root && is_first && code[behind..].trim_start().starts_with("::") {
            spell_out(code, at, &[], &mut paths);
        }
    }
    paths
}

/// Every path the file's `use` declarations bring in.
pub(crate) fn used_paths(code: &str) -> Vec<NamedPath> {
    let mut paths = Vec::new();
    for (at, word) in identifiers(code) {
        // `use<'a>` in a type captures lifetimes and imports nothing.
        let behind = skip_space(code, at + word.len());
        if word == "use" && !code[behind..].starts_with('<') {
            spell_out(code, behind, &[], &mut paths);
        }
    }
    paths
}

/// Whether `at` stands in the braces of a `use` group, whose own path leads to it already.
fn inside_group(code: &str, at: usize) -> bool {
    let before = &code[..at];
    let statement = before.rfind(';').map_or(0, |semicolon| semicolon + 1);
    before[statement..].rfind("::{").is_some_and(|group| {
        let open = statement + group + 2;
        behind_closing(code, open) > at
    })
}

fn skip_space(code: &str, at: usize) -> usize {
    code.len() - code[at..].trim_start().len()
}

/// Spells out the tree of paths at `at`, each behind `prefix`; answers where the tree ends.
fn spell_out(code: &str, at: usize, prefix: &[String], paths: &mut Vec<NamedPath>) -> usize {
    let first = skip_space(code, at);
    let mut segments = prefix.to_vec();
    let mut at = first;
    loop {
        if code[at..].starts_with("::") {
            at = skip_space(code, at + 2);
        }
        let rest = &code[at..];
        if rest.starts_with('{') {
            return spell_out_group(code, at, &segments, paths);
        }
        let width = if rest.starts_with('*') {
            1
        } else {
            rest.bytes().take_while(|&byte| in_word(byte)).count()
        };
        if width == 0 {
            break;
        }
        segments.push(rest[..width].to_owned());
        at += width;
        let next = skip_space(code, at);
        if !code[next..].starts_with("::") {
            break;
        }
        at = next;
    }
    let (alias, end) = alias_at(code, at);
    // `{self}` at the end of a group names the group's own path.
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let alias = alias.or_else(|| segments.last().cloned());
    paths.push(NamedPath { at: first, segments, alias });
    end
}

fn spell_out_group(
    code: &str,
    open: usize,
    prefix: &[String],
    paths: &mut Vec<NamedPath>,
) -> usize {
    let end = behind_closing(code, open);
    let mut at = skip_space(code, open + 1);
    while at + 1 < end {
        let next = skip_space(code, spell_out(code, at, prefix, paths));
        let is_more = code[next..].starts_with(',');
        if !is_more {
            break;
        }
        at = skip_space(code, next + 1);
    }
    end
}

fn alias_at(code: &str, at: usize) -> (Option<String>, usize) {
    let start = skip_space(code, at);
    let Some(rest) = code[start..].strip_prefix("as ") else { return (None, at) };
    let name = skip_space(code, start + 3);
    let width = rest.trim_start().bytes().take_while(|&byte| in_word(byte)).count();
    (Some(code[name..name + width].to_owned()), name + width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[NamedPath], expected: &[&str]) {
        let found: Vec<_> = found.iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn groups_are_spelled_out() {
        let code = "use crate::{a, b::{self, C as D}, e::*};";
        check(&rooted_paths(code), &["crate::a", "crate::b", "crate::b::C", "crate::e::*"]);
        let aliases: Vec<_> = used_paths(code).into_iter().filter_map(|path| path.alias).collect();
        assert_eq!(aliases, ["a", "b", "D", "*"]);
    }

    #[test]
    fn paths_in_expressions_are_found() {
        check(
            &rooted_paths("fn f() { super::g(self.x, crate::h::i()) }"),
            &["super::g", "crate::h::i"],
        );
        check(&rooted_paths("pub(crate) fn f(&self) {}"), &[]);
    }

    #[test]
    fn a_group_on_several_lines_ends_with_its_brace() {
        check(&used_paths("use a::{\n    b,\n    c,\n};\nuse d;"), &["a::b", "a::c", "d"]);
    }
}
