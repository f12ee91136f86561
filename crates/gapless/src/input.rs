//! Where recordings come from: files, and `-` for standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use gapless::formats::{Limits, read};
use gapless::trace::Recording;
use gapless::units::Bytes;

use crate::failure::Failure;

/// A file to read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    path: PathBuf,
}

impl Input {
    /// The file at `path`; `-` is standard input.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The path as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is standard input.
    pub(crate) fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Whether a path leads to the same file.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        let same = match (self.path.canonicalize(), path.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        };
        !self.is_stdin() && same
    }

    /// Its name in a sentence.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() {
            "standard input".to_owned()
        } else {
            format!("`{}`", self.path.display())
        }
    }

    /// What it records, and its size before decompression.
    pub(crate) fn read(&self) -> Result<(Recording, Bytes), Failure> {
        let bytes = self
            .bytes()
            .map_err(|error| Failure::Open { name: self.name(), source: error.into() })?;
        let size = Bytes::new(bytes.len() as u64);
        let recording = read(bytes, &Limits::default())
            .map_err(|source| Failure::NotARecording { name: self.name(), source })?;
        Ok((recording, size))
    }

    fn bytes(&self) -> std::io::Result<Vec<u8>> {
        if self.is_stdin() {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(&self.path)
    }
}
