//! Every file that is made here, and whether it is as it would be made now.

use crate::complaint::Complaint;
use crate::workspace::{Workspace, WorkspaceError};
use crate::{bans, finding_pages};

/// All generated files, by path.
pub fn files(workspace: &Workspace) -> Result<Vec<(String, String)>, WorkspaceError> {
    let mut files = bans::files(workspace)?;
    files.extend(finding_pages::files(workspace)?);
    Ok(files)
}

/// Complains of every generated file that is not what it would be written as.
pub fn check(workspace: &Workspace) -> Result<Vec<Complaint>, WorkspaceError> {
    let mut complaints = Vec::new();
    for (file, expected) in files(workspace)? {
        let is_current = workspace.text(&file).is_ok_and(|found| found == expected);
        if !is_current {
            let reason = "is generated and not current: `cargo xtask generate`";
            complaints.push(Complaint::about(&file, reason));
        }
    }
    Ok(complaints)
}
