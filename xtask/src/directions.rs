//! Directions: a path that a document names can be followed.

use crate::complaint::Complaint;
use crate::workspace::{Workspace, WorkspaceError};

/// The folders at the root that documents point into.
const FOLDERS: [&str; 9] =
    [".ci", ".github", "bench", "casebook", "crates", "docs", "fuzz", "recordings", "xtask"];

/// What tells of the past, and so of what is gone.
const PAST: &str = "CHANGELOG.md";

/// Complains of every path in the Markdown files that leads nowhere. Paths are looked for in code
/// spans and count from the root; one with a `*` or a placeholder is a pattern.
pub fn check(workspace: &Workspace) -> Result<Vec<Complaint>, WorkspaceError> {
    let mut complaints = Vec::new();
    for file in workspace.files()? {
        let is_document = file.strip_suffix(".md").is_some() && file != PAST;
        if !is_document {
            continue;
        }
        for (above, line) in workspace.text(&file)?.lines().enumerate() {
            let missing = paths_in(line).filter(|path| !workspace.root().join(path).exists());
            complaints.extend(missing.map(|path| {
                Complaint::at_line(&file, above + 1, format!("points to `{path}`: there is none"))
            }));
        }
    }
    Ok(complaints)
}

/// The paths in the code spans of a line.
fn paths_in(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    let words = spans.flat_map(str::split_whitespace);
    words.filter(|word| {
        let folder = word.split_once('/').map(|(folder, _)| folder);
        let is_pattern = word.contains(['*', '<', '{', '…']);
        folder.is_some_and(|folder| FOLDERS.contains(&folder)) && !is_pattern
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        assert_eq!(paths_in(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn paths_stand_in_code_spans() {
        check("see `crates/a/src/b.rs`, and crates/c", &["crates/a/src/b.rs"]);
        check("run `bash .ci/run` in `docs/`", &[".ci/run", "docs/"]);
    }

    #[test]
    fn patterns_and_other_folders_are_left_alone() {
        check("`crates/*/tests`, `a/b`, `crates/<name>/x`, `/docs/x`", &[]);
    }
}
