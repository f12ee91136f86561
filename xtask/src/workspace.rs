//! The workspace as cargo and git see it: its packages, and its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::source::Source;

/// The checkout this package stands in.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    packages: Vec<Package>,
}

/// A package of the workspace, as its manifest describes it.
#[derive(Clone, Debug)]
pub struct Package {
    /// The name others depend on it by.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// The floor its manifest gives it.
    pub floor: Option<u64>,
    /// The license its manifest gives it.
    pub license: Option<String>,
    /// Everything it depends on.
    pub dependencies: Vec<Dependency>,
}

/// What a package depends on.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package depended on.
    pub name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub kind: Option<String>,
}

/// Why the workspace could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// A file or program could not be reached.
    #[error("cannot reach {path}")]
    Reach {
        /// What was to be reached.
        path: PathBuf,
        /// Why it was not.
        #[source]
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// Cargo's description of the workspace is not JSON.
    #[error("cannot read what `cargo metadata` wrote")]
    Metadata(#[from] serde_json::Error),
}

impl Workspace {
    /// Asks cargo for the packages of the workspace.
    pub fn read() -> Result<Self, WorkspaceError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().map_err(|source| reach(&root, source))?;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
        let metadata: Value = serde_json::from_str(&run(&root, &cargo, &arguments)?)?;
        let mut packages: Vec<Package> =
            array(&metadata["packages"]).iter().map(|package| package_of(package, &root)).collect();
        packages.sort_by(|left, right| left.folder.cmp(&right.folder));
        Ok(Self { root, packages })
    }

    /// The folder the workspace stands in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All packages, by folder.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The packages under `crates/`: the house itself, without its tools.
    pub fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.folder.starts_with("crates/"))
    }

    /// The files that are in the repository or about to be, by path; none that git ignores.
    pub fn files(&self) -> Result<Vec<String>, WorkspaceError> {
        let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let mut files: Vec<String> = run(&self.root, "git", &arguments)?
            .lines()
            .filter(|file| self.root.join(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The Rust files among them, with their source.
    pub fn rust_files(&self) -> Result<Vec<(String, Source)>, WorkspaceError> {
        let files = self.files()?.into_iter();
        let rust = files.filter(|file| Path::new(file).extension().is_some_and(|end| end == "rs"));
        rust.map(|file| self.text(&file).map(|text| (file, Source::new(&text)))).collect()
    }

    /// The text of a file; bytes that are not UTF-8 are replaced.
    pub fn text(&self, file: &str) -> Result<String, WorkspaceError> {
        Ok(String::from_utf8_lossy(&self.bytes(file)?).into_owned())
    }

    /// The bytes of a file.
    pub fn bytes(&self, file: &str) -> Result<Vec<u8>, WorkspaceError> {
        let path = self.root.join(file);
        fs::read(&path).map_err(|source| reach(&path, source))
    }

    /// Writes a file whose content is made here.
    pub fn write(&self, file: &str, text: &str) -> Result<(), WorkspaceError> {
        let path = self.root.join(file);
        fs::write(&path, text).map_err(|source| reach(&path, source))
    }
}

fn reach(path: &Path, source: io::Error) -> WorkspaceError {
    WorkspaceError::Reach { path: path.to_owned(), source }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, WorkspaceError> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|source| reach(Path::new(program), source))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let command = format!("{program} {}", arguments.join(" "));
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(WorkspaceError::Failed { command, said })
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn package_of(package: &Value, root: &Path) -> Package {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let folder = manifest.parent().unwrap_or(manifest);
    let folder = folder.strip_prefix(root).unwrap_or(folder);
    Package {
        name: word(&package["name"]).unwrap_or_default(),
        folder: folder.to_string_lossy().into_owned(),
        floor: package["metadata"]["gapless"]["floor"].as_u64(),
        license: word(&package["license"]),
        dependencies: array(&package["dependencies"])
            .iter()
            .map(|dependency| Dependency {
                name: word(&dependency["name"]).unwrap_or_default(),
                kind: word(&dependency["kind"]),
            })
            .collect(),
    }
}
