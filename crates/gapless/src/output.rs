//! Where results go, and how they may look there.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};

use crate::failure::{self, Failure};
use crate::input::Input;

/// The width of a line where nothing tells a better one.
const WIDTH: usize = 80;
/// The widest line that is still easy to read.
const WIDEST: usize = 120;

/// What may be typed about results.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArguments {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// When to use color; `auto` heeds `NO_COLOR` and uses none in files and pipes
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,

    /// Say nothing but results and errors
    #[arg(short, long)]
    quiet: bool,
}

/// When to use color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// Where somebody can see it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where results go.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    file: Option<PathBuf>,
    color: Color,
    quiet: bool,
}

impl OutputArguments {
    /// What was meant.
    pub(crate) fn mean(self) -> Output {
        Output { file: self.output, color: self.color, quiet: self.quiet }
    }
}

impl Output {
    /// The file results go to; none is standard output.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A file of its own for a second result.
    pub(crate) fn to_file(path: PathBuf) -> Self {
        Self { file: Some(path), color: Color::Never, quiet: true }
    }

    /// Refuses to replace a recording that is read.
    pub(crate) fn spare(&self, inputs: &[Input]) -> Result<(), Failure> {
        match self.file() {
            Some(path) if inputs.iter().any(|input| input.is_file(path)) => {
                Err(Failure::WouldReplace { path: path.to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Writes bytes as they stand.
    pub(crate) fn write_all(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_bytes(bytes)
    }

    /// Whether nothing but results and errors shall be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody reads results as they are written.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && io::stdout().is_terminal()
    }

    /// The width of a line.
    pub(crate) fn width(&self) -> usize {
        let terminal = if self.is_terminal() { terminal_size::terminal_size() } else { None };
        let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0));
        width.clamp(WIDTH, WIDEST)
    }

    /// Writes text with its emphasis, where that can be seen.
    pub(crate) fn write_styled(&self, text: &str) -> Result<(), Failure> {
        let choice = match (self.color, self.file.is_some()) {
            (Color::Always, _) => ColorChoice::Always,
            (Color::Never, _) | (Color::Auto, true) => ColorChoice::Never,
            (Color::Auto, false) => AutoStream::choice(&io::stdout()),
        };
        let mut plain = AutoStream::new(Vec::new(), choice);
        plain.write_all(text.as_bytes()).map_err(|error| self.refused(error))?;
        self.write_bytes(&plain.into_inner())
    }

    /// Writes a document as it stands.
    pub(crate) fn write(&self, document: &str) -> Result<(), Failure> {
        self.write_bytes(document.as_bytes())
    }

    /// Prints a hint on standard error, unless told to be quiet.
    pub(crate) fn hint(&self, text: &str) {
        if !self.quiet {
            failure::hint(text);
        }
    }

    fn write_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &self.file {
            Some(path) => File::create(path).and_then(|mut file| file.write_all(bytes)),
            None => to_stdout(bytes),
        };
        written.map_err(|error| self.refused(error))
    }

    fn refused(&self, error: io::Error) -> Failure {
        let name = match &self.file {
            Some(path) => format!("`{}`", path.display()),
            None => "to standard output".to_owned(),
        };
        Failure::Write { name, source: error.into() }
    }
}

/// Writes everything; a reader that has seen enough and closed its end is no failure.
fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
