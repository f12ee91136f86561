//! The users' pages of findings, collected from the first comment of each finding's file.
//!
//! A finding's page stands where its code stands, so that who changes one sees the other;
//! `docs/findings.md` gathers them for readers.

use crate::workspace::{Workspace, WorkspaceError};

const FOLDER: &str = "crates/diagnose/src/findings/";
const PAGE: &str = "docs/findings.md";
const HEADING: &str = "# Findings

What `gapless explain` finds over time, beside ledger, verdict and blame. A finding has a code, a weight in
bytes, what proves it, and what to change. Causes are told before symptoms, symptoms before remarks, and
nothing below 1 % of the peak or 16 MiB is told at all.

This page is generated from the sources (`cargo xtask generate`).
";

/// The page, by path.
pub fn files(workspace: &Workspace) -> Result<Vec<(String, String)>, WorkspaceError> {
    let mut page = HEADING.to_owned();
    for file in workspace.files()?.iter().filter(|file| file.starts_with(FOLDER)) {
        if let Some(section) = section(&workspace.text(file)?) {
            page.push('\n');
            page.push_str(&section);
        }
    }
    Ok(vec![(PAGE.to_owned(), page)])
}

/// The page of one finding: the comment a file begins with, if it has a heading.
fn section(text: &str) -> Option<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let plain: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let is_page = plain.first().is_some_and(|heading| heading.starts_with("# `"));
    is_page.then(|| format!("#{}\n", plain.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_first_comment_one_heading_lower() {
        let text = "//! # `leak`: grows\n//!\n//! It means.\n\nuse x;\n//! no\n";
        assert_eq!(section(text).as_deref(), Some("## `leak`: grows\n\nIt means.\n"));
        assert_eq!(section("//! Adding up.\n"), None);
    }
}
