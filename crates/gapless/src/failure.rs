//! What could not be done, why, and what might help.
//!
//! ```text
//!   error: cannot read `run.pickle` as a recording
//!     because: opcode 0x63 (GLOBAL) at byte 10482 is not allowed in a snapshot
//!
//!   hint: this file was written by `torch.save`; write one with …
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use anstyle::AnsiColor;
use gapless::device::{Costs, CostsError};
use gapless::formats::{Foreign, PickleError, ReadError, WriteError};
use gapless::replay::ReplayError;
use gapless::report::{ExamineError, Unreplayable};
use gapless::units::DeviceId;

/// How a snapshot is written.
const DUMP: &str = "`torch.cuda.memory._dump_snapshot(\"run.pickle\")`";
/// What must have been called before.
const RECORD: &str = "`torch.cuda.memory._record_memory_history()`";

/// Why the program could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The file could not be opened or read.
    #[error("cannot read {name}")]
    Open {
        /// The file, in quotes, or standard input.
        name: String,
        /// What the system said.
        #[source]
        source: Refusal,
    },
    /// The file was read and is no recording.
    #[error("cannot read {name} as a recording")]
    NotARecording {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: ReadError,
    },
    /// The recording was read and cannot be explained as asked.
    #[error("cannot explain {name}")]
    Examine {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: ExamineError,
    },
    /// The result could not be written.
    #[error("cannot write {name}")]
    Write {
        /// Where to.
        name: String,
        /// What the system said.
        #[source]
        source: Refusal,
    },
    /// The result would replace what it is made from.
    #[error("cannot write `{}`: it is the recording to read", .path.display())]
    WouldReplace {
        /// The file.
        path: PathBuf,
    },
    /// A page would be written to a terminal.
    #[error("cannot show a page on a terminal")]
    PageOnTerminal,
    /// A page draws one recording, a snapshot is of one.
    #[error("cannot put {count} recordings into one page or snapshot")]
    OnePageEach {
        /// How many were given.
        count: usize,
    },
    /// The recording was read and cannot be replayed.
    #[error("cannot replay {name}")]
    Replay {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: Unreplayable,
    },
    /// The recording cannot be replayed under its current settings.
    #[error("cannot advise on {name}")]
    Sweep {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: ReplayError,
    },
    /// The recording was read and cannot be put through an allocator.
    #[error("cannot compare allocators on {name}")]
    Compare {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: ReplayError,
    },
    /// One of several allocators cannot carry a recording out.
    #[error("cannot compare {allocator} on device {device} of {name}")]
    CompareOne {
        /// The allocator.
        allocator: &'static str,
        /// The file.
        name: String,
        /// The device.
        device: DeviceId,
        /// Why not.
        #[source]
        source: ReplayError,
    },
    /// Settings of our own allocator, which is not compared.
    #[error("`--slack` and `--page` set `gapless`, which is not among the allocators")]
    NothingToSet,
    /// Settings of another allocator than that of the replay.
    #[error("{flags} can be given with `--allocator {allocator}` only")]
    NotOfThisAllocator {
        /// What was typed.
        flags: &'static str,
        /// Whose it is.
        allocator: &'static str,
    },
    /// The replay could not be written as a snapshot.
    #[error("cannot record the replay")]
    Record {
        /// Why not.
        #[source]
        source: WriteError,
    },
    /// A file of costs that cannot be opened.
    #[error("`{name}` is no preset of costs, and cannot be read as a file")]
    Costs {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: Refusal,
    },
    /// A file that holds no costs.
    #[error("cannot read `{name}` as a file of costs")]
    BadCosts {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        source: CostsError,
    },
    /// The facts could not be told as JSON.
    #[error("cannot tell the facts as JSON")]
    Json {
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// What the system said, in words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is none.
    #[error("there is no such file")]
    NoFile,
    /// It may not be touched.
    #[error("permission denied")]
    Permission,
    /// It is a folder.
    #[error("it is a directory")]
    Directory,
    /// Anything else.
    #[error(transparent)]
    Other(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind;
        let kind = error.kind();
        if kind == ErrorKind::NotFound {
            Self::NoFile
        } else if kind == ErrorKind::PermissionDenied {
            Self::Permission
        } else if kind == ErrorKind::IsADirectory {
            Self::Directory
        } else {
            Self::Other(error)
        }
    }
}

impl Failure {
    /// What might help, where something is known to.
    fn hint(&self) -> Option<String> {
        match self {
            Self::Open { source: Refusal::Directory, .. } => {
                Some("name the files in it, one or several".to_owned())
            }
            Self::NotARecording { source, .. } => about_reading(source),
            Self::Examine { source: ExamineError::Empty, .. } => {
                Some(format!("call {RECORD} before the work and {DUMP} after it"))
            }
            Self::Examine { source: ExamineError::NoFailure, .. } => {
                Some("leave `--at` out to look at the end".to_owned())
            }
            Self::PageOnTerminal => Some("name a file with `--output page.html`".to_owned()),
            Self::NothingToSet => Some("add it to `--allocators`".to_owned()),
            Self::OnePageEach { .. } => Some("take them one by one".to_owned()),
            Self::Costs { .. } => {
                let presets: Vec<_> = Costs::presets().collect();
                Some(format!("the presets are {}", presets.join(", ")))
            }
            Self::BadCosts { source: CostsError::Malformed(_), .. } => {
                Some(format!("such a file is {}", Costs::file_format()))
            }
            Self::Replay { .. }
            | Self::Sweep { .. }
            | Self::Compare { .. }
            | Self::CompareOne { .. }
            | Self::BadCosts { .. }
            | Self::NotOfThisAllocator { .. }
            | Self::Record { .. }
            | Self::Open { .. }
            | Self::Examine { .. }
            | Self::Write { .. }
            | Self::WouldReplace { .. }
            | Self::Json { .. } => None,
        }
    }
}

fn about_reading(error: &ReadError) -> Option<String> {
    let hint = match error {
        ReadError::Pickle(PickleError::NamesCode { .. } | PickleError::Refused { .. })
        | ReadError::Foreign(Foreign::TorchArchive | Foreign::TorchPickles) => {
            format!("this file was written by `torch.save` or `pickle`; write one with {DUMP}")
        }
        ReadError::Foreign(Foreign::ProfilerTrace | Foreign::MemoryTimeline) => {
            format!("call {RECORD} before the work and write a snapshot with {DUMP}")
        }
        ReadError::Foreign(Foreign::WebPage) => {
            "explain the snapshot that the page was made from".to_owned()
        }
        ReadError::Empty
        | ReadError::Pickle(PickleError::Truncated { .. } | PickleError::ClaimsTooMuch { .. }) => {
            "the program may have ended while it wrote the file".to_owned()
        }
        ReadError::Unpack(_) => "the file may have been copied in part".to_owned(),
        ReadError::Unknown(_) | ReadError::NotASnapshot { .. } | ReadError::Foreign(_) => {
            format!("gapless reads what {DUMP} writes, and plain lists of operations")
        }
        ReadError::Pickle(_) | ReadError::Json(_) | ReadError::Operations(_) | _ => return None,
    };
    Some(hint)
}

/// Prints failures on standard error, an empty line between them.
pub(crate) fn tell(failures: &[Failure]) {
    let mut stderr = anstream::stderr().lock();
    for (index, failure) in failures.iter().enumerate() {
        let between = if 0 < index { "\n" } else { "" };
        // Nobody is left to be told that standard error is closed.
        let _ = write!(stderr, "{between}{}", told(failure));
    }
}

/// Prints a hint on standard error.
pub(crate) fn hint(text: &str) {
    let style = AnsiColor::Cyan.on_default().bold();
    let _ = writeln!(anstream::stderr().lock(), "\n{style}hint{style:#}: {text}");
}

fn told(failure: &Failure) -> String {
    let mut said = failure.to_string();
    let error = AnsiColor::Red.on_default().bold();
    let mut text = format!("{error}error{error:#}: {said}\n");
    let mut cause = failure.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        // Some errors already say their source.
        if !said.ends_with(&reason) {
            let _ = writeln!(text, "  because: {reason}");
        }
        said = reason;
        cause = error.source();
    }
    if let Some(hint) = failure.hint() {
        let style = AnsiColor::Cyan.on_default().bold();
        let _ = writeln!(text, "\n{style}hint{style:#}: {hint}");
    }
    text
}
