//! Mentions: the project speaks of itself alone. A path of the machine it was written on means
//! nothing to anyone else.

use crate::complaint::Complaint;
use crate::source::in_word;
use crate::workspace::{Workspace, WorkspaceError};

/// Folders that exist on one machine only. In two parts, so that this list does not name itself.
const FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/")];

/// Complains of every line of a text file that names such a folder.
pub fn check(workspace: &Workspace) -> Result<Vec<Complaint>, WorkspaceError> {
    let mut complaints = Vec::new();
    for file in workspace.files()? {
        let Ok(text) = String::from_utf8(workspace.bytes(&file)?) else { continue };
        for (above, line) in text.lines().enumerate() {
            if let Some(folder) = FOLDERS.iter().find(|folder| names(line, folder)) {
                let reason = format!("names `{folder}`, a folder of one machine");
                complaints.push(Complaint::at_line(&file, above + 1, reason));
            }
        }
    }
    Ok(complaints)
}

/// Whether the line names the absolute folder, rather than one of that name inside another.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].bytes().next_back();
        before.is_none_or(|byte| !in_word(byte) && !matches!(byte, b'.' | b'-' | b'}' | b')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_folders_count() {
        let folder = FOLDERS[0];
        assert!(names(&format!("see {folder}notes"), folder));
        assert!(names(&format!("\"{folder}notes\""), folder));
        assert!(!names(&format!("net{folder}notes"), folder));
        assert!(!names(&format!("..{folder}notes"), folder));
    }
}
