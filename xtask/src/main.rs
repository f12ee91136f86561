//! `cargo xtask generate`: writes the files that are made from a list in this package.

use std::io::{self, Write};
use std::process::ExitCode;

use xtask::{Workspace, WorkspaceError, generated};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let said = if arguments == ["generate"] {
        generate()
    } else {
        let _ = writeln!(io::stderr(), "usage: cargo xtask generate");
        return ExitCode::from(2);
    };
    match said {
        Ok(written) => {
            for file in written {
                let _ = writeln!(io::stdout(), "wrote {file}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes every generated file; answers with their names.
fn generate() -> Result<Vec<String>, WorkspaceError> {
    let workspace = Workspace::read()?;
    let files = generated::files(&workspace)?;
    for (file, text) in &files {
        workspace.write(file, text)?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}
