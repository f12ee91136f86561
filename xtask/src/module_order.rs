//! Module order: in each crate the `mod` lines stand in reading order, and a file imports only
//! from modules declared above it. So there are no cycles, and the list is the table of contents.
//!
//! What a file may name:
//!
//! - modules declared above it, and what they re-export;
//! - its own submodules, and what the files it is a submodule of define;
//! - whatever those files may name, as far as they are concerned.
//!
//! A name that a module re-exports counts as the module it comes from. Tests are free.

use std::collections::BTreeMap;

use crate::complaint::Complaint;
use crate::paths::{NamedPath, rooted_paths, used_paths};
use crate::source::{Source, behind_closing, identifiers, line_at};

/// How many re-exports are followed before a name is taken to be where it is found.
const REEXPORT_DEPTH: usize = 8;

/// Complains of every import, in every crate, of a module that is declared below the importer.
pub fn check(files: &[(String, Source)]) -> Vec<Complaint> {
    let sources: BTreeMap<&str, &Source> =
        files.iter().map(|(file, source)| (file.as_str(), source)).collect();
    let roots = sources
        .keys()
        .filter(|file| file.ends_with("/src/lib.rs") || file.ends_with("/src/main.rs"));
    roots.flat_map(|root| Tree::of(root, &sources).complaints()).collect()
}

/// The modules of a crate. A module is known by its index; the root is 0.
struct Tree {
    modules: Vec<Module>,
}

struct Module {
    name: String,
    file: String,
    /// The code of the file, without tests.
    code: String,
    parent: usize,
    /// Its place among its parent's modules.
    order: usize,
    children: Vec<usize>,
    /// What its `use` declarations bring in, by name.
    brought: BTreeMap<String, Vec<String>>,
}

impl Tree {
    fn of(root: &str, sources: &BTreeMap<&str, &Source>) -> Self {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        tree.add("crate", root, folder, (0, 0), sources);
        tree
    }

    /// Adds the module in `file`, whose submodules lie in `folder`, and all below it.
    fn add(
        &mut self,
        name: &str,
        file: &str,
        folder: &str,
        (parent, order): (usize, usize),
        sources: &BTreeMap<&str, &Source>,
    ) -> usize {
        let code = sources.get(file).map(|source| source.shipped_code()).unwrap_or_default();
        let brought = used_paths(&code)
            .into_iter()
            .filter_map(|path| path.alias.map(|alias| (alias, path.segments)))
            .collect();
        let declared = declared_modules(&code);
        let index = self.modules.len();
        let (name, file) = (name.to_owned(), file.to_owned());
        let children = Vec::new();
        self.modules.push(Module { name, file, code, parent, order, children, brought });
        for (order, name) in declared.iter().enumerate() {
            let folder = format!("{folder}/{name}");
            let child = self.add(name, &format!("{folder}.rs"), &folder, (index, order), sources);
            self.modules[index].children.push(child);
        }
        index
    }

    fn complaints(&self) -> Vec<Complaint> {
        (0..self.modules.len()).flat_map(|module| self.complaints_of(module)).collect()
    }

    fn complaints_of(&self, module: usize) -> Vec<Complaint> {
        let Module { file, code, .. } = &self.modules[module];
        let paths = rooted_paths(code).into_iter().filter(|path| !in_inline_module(code, path.at));
        paths
            .filter_map(|path| {
                let (above, below) = self.upward(module, &path)?;
                let declared_in = &self.modules[self.modules[above].parent].file;
                let reason = format!(
                    "`{}` is declared below `{}` in {declared_in}: a file imports only from \
                     modules declared above it, so move one of them or what they share",
                    self.modules[below].name, self.modules[above].name,
                );
                Some(Complaint::at_line(file, line_at(code, path.at), reason))
            })
            .collect()
    }

    /// Where the path leads to a module declared below the one it is named in: the two
    /// neighbors in the list of `mod` lines that tell so.
    fn upward(&self, from: usize, path: &NamedPath) -> Option<(usize, usize)> {
        let to = self.resolve(from, &path.segments, REEXPORT_DEPTH);
        let (from, to) = (self.line_of(from), self.line_of(to));
        let (&above, &below) = from.iter().zip(&to).find(|(from, to)| from != to)?;
        let is_upward = self.modules[above].order < self.modules[below].order;
        is_upward.then_some((above, below))
    }

    /// The modules from the root down to this one.
    fn line_of(&self, module: usize) -> Vec<usize> {
        let mut line =
            if module == 0 { Vec::new() } else { self.line_of(self.modules[module].parent) };
        line.push(module);
        line
    }

    /// The module that holds what the path names, as seen from `from`.
    fn resolve(&self, from: usize, segments: &[String], depth: usize) -> usize {
        let mut at = from;
        for segment in segments {
            let module = &self.modules[at];
            let child = module.children.iter().find(|&&child| self.modules[child].name == *segment);
            at = match (segment.as_str(), child) {
                ("crate", _) => 0,
                ("self", _) => at,
                ("super", _) => module.parent,
                (_, Some(&child)) => child,
                (name, None) => {
                    let brought = module.brought.get(name).filter(|_| depth > 0);
                    return brought.map_or(at, |path| self.resolve(at, path, depth - 1));
                }
            };
        }
        at
    }
}

/// The names of the modules that have files of their own, in order.
fn declared_modules(code: &str) -> Vec<String> {
    let mut words = identifiers(code).peekable();
    let mut modules = Vec::new();
    while let Some((_, word)) = words.next() {
        let Some(&(at, name)) = words.peek() else { break };
        let has_file = code[at + name.len()..].trim_start().starts_with(';');
        if word == "mod" && has_file {
            modules.push(name.to_owned());
        }
    }
    modules
}

/// Whether a place stands in a module written inside the file, whose `super` is the file itself.
fn in_inline_module(code: &str, place: usize) -> bool {
    let mut words = identifiers(&code[..place]).peekable();
    while let Some((_, word)) = words.next() {
        let Some(&(at, name)) = words.peek() else { break };
        let behind = &code[at + name.len()..];
        let open = at + name.len() + behind.len() - behind.trim_start().len();
        let is_inline = word == "mod" && code[open..].starts_with('{');
        if is_inline && behind_closing(code, open) > place {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<_> = files
            .iter()
            .map(|(file, text)| (format!("crates/a/src/{file}"), Source::new(text)))
            .collect();
        let complaints = super::check(&files);
        let complaints: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(complaints, expected);
    }

    const UPWARD: &str = "crates/a/src/one.rs:1: `two` is declared below `one` in \
                          crates/a/src/lib.rs: a file imports only from modules declared above \
                          it, so move one of them or what they share";

    #[test]
    fn down_the_list_is_allowed_and_up_is_not() {
        let (lib, use_one) = ("mod one;\nmod two;", "use crate::one::One;");
        check(&[("lib.rs", lib), ("one.rs", ""), ("two.rs", use_one)], &[]);
        check(&[("lib.rs", lib), ("one.rs", "use crate::two::Two;"), ("two.rs", "")], &[UPWARD]);
        check(
            &[("lib.rs", lib), ("one.rs", "fn f() { super::two::g() }"), ("two.rs", "")],
            &[UPWARD],
        );
    }

    #[test]
    fn a_name_counts_as_the_module_it_comes_from() {
        let lib = "mod one;\nmod two;\npub use two::Two;";
        check(&[("lib.rs", lib), ("one.rs", "use crate::Two;"), ("two.rs", "")], &[UPWARD]);
        check(&[("lib.rs", lib), ("one.rs", ""), ("two.rs", "use crate::Two;")], &[]);
    }

    #[test]
    fn a_submodule_may_what_its_parent_may() {
        let lib = "mod zero;\nmod one;\nmod two;";
        let one = "mod first;\nmod second;\npub struct One;";
        let first = "use super::One;\nuse crate::zero::Zero;";
        let second = "use super::first::First;\nuse crate::one::One;";
        let files = [("lib.rs", lib), ("one.rs", one), ("zero.rs", ""), ("two.rs", "")];
        let allowed = [("one/first.rs", first), ("one/second.rs", second)];
        check(&[&files[..], &allowed].concat(), &[]);
        let up = [("one/first.rs", "use crate::two::Two;")];
        check(&[&files[..], &up].concat(), &[&UPWARD.replace("one.rs:1", "one/first.rs:1")]);
        let sideways = [("one/first.rs", "use super::second::Second;")];
        check(
            &[&files[..], &sideways].concat(),
            &["crates/a/src/one/first.rs:1: `second` is declared below `first` in \
             crates/a/src/one.rs: a file imports only from modules declared above it, so move \
             one of them or what they share"],
        );
    }

    #[test]
    fn tests_and_comments_are_free() {
        let one = "// use crate::two::Two;\n#[cfg(test)]\nmod tests { use crate::two::Two; }";
        check(&[("lib.rs", "mod one;\nmod two;"), ("one.rs", one), ("two.rs", "")], &[]);
    }
}
