//! Manifests: every package has the workspace's licenses and lints, and every crate it downloads
//! comes from the one public index.

use crate::complaint::Complaint;
use crate::workspace::{Workspace, WorkspaceError};

const LICENSE: &str = "MIT OR Apache-2.0";
const LICENSE_FILES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Complains of a package under another license, and of a license without its text.
pub fn check_licenses(workspace: &Workspace) -> Vec<Complaint> {
    let packages = workspace.packages().iter();
    let others = packages.filter(|package| package.license.as_deref() != Some(LICENSE));
    let missing = LICENSE_FILES.iter().filter(|file| !workspace.root().join(file).is_file());
    others
        .map(|package| {
            let reason = format!("the license must be `{LICENSE}`: add `license.workspace = true`");
            Complaint::about(&package.folder, reason)
        })
        .chain(missing.map(|file| Complaint::about(file, "the text of this license is missing")))
        .collect()
}

/// Complains of a package that does not take part in the workspace's lints.
pub fn check_lints(workspace: &Workspace) -> Result<Vec<Complaint>, WorkspaceError> {
    let mut complaints = Vec::new();
    for package in workspace.packages() {
        let manifest = format!("{}/Cargo.toml", package.folder);
        if !opts_into_lints(&workspace.text(&manifest)?) {
            let reason = "the workspace's lints are off: add `[lints]` with `workspace = true`";
            complaints.push(Complaint::about(&manifest, reason));
        }
    }
    Ok(complaints)
}

/// Complains of a locked package that comes from anywhere but the public index.
pub fn check_sources(workspace: &Workspace) -> Result<Vec<Complaint>, WorkspaceError> {
    let lock = workspace.text("Cargo.lock")?;
    let lines = lock.lines().enumerate();
    let sources = lines.filter(|(_, line)| line.starts_with("source = "));
    let strangers = sources.filter(|(_, line)| *line != format!("source = \"{INDEX}\""));
    Ok(strangers
        .map(|(above, line)| {
            let reason = format!("{line} is not the public index, which everyone can reach");
            Complaint::at_line("Cargo.lock", above + 1, reason)
        })
        .collect())
}

fn opts_into_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lints_line_counts_in_its_own_table_alone() {
        assert!(opts_into_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
        assert!(!opts_into_lints("[lints]\n\n[dependencies]\nworkspace = true\n"));
        assert!(!opts_into_lints("[package]\n"));
    }
}
