//! Running the program, and files for it to read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The recording that ran out of memory.
pub(crate) const OOM: &str = "frag_oom_varlen.default_oom.pickle.gz";
/// A recording with several pools.
pub(crate) const POOLS: &str = "graphs_and_pools.default.pickle.gz";

/// A recording of a program that ran out of memory on a card.
pub(crate) const DIED_ON_A_CARD: &str = "llama_varlen.h200_oom.pickle.gz";

/// A recording of a program that ran on a card.
pub(crate) const OF_A_CARD: &str = "vit_prefetch.h200.pickle.gz";

/// A recording that began late, its ring wrapped.
pub(crate) const LATE: &str = "gpt2m_adamw.ring6000_late.pickle.gz";

/// A recording with side streams, on which more memory is not always better.
pub(crate) const STREAMS: &str = "vit_prefetch_streams.mss128_late.pickle.gz";

/// Two blocks of 600 MiB on a card of 1 GiB.
pub(crate) const TOO_MUCH: &[u8] = b"alloc,1,629145600,0\nalloc,2,629145600,0\nfree,1\nfree,2\n";

/// The gaps of 100 MiB blocks do not hold one of 150 MiB.
pub(crate) const GAPS: &[u8] = b"alloc,1,104857600,0\nalloc,2,104857600,0\nalloc,3,104857600,0\n\
                      alloc,4,104857600,0\nfree,1\nfree,3\nalloc,5,2097152,0\nalloc,6,2097152,0\n\
                      alloc,7,157286400,0\n";

/// What the program did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}"));
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program, in the folder of the recordings and with nothing in its environment that changes
/// how it speaks.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gapless"));
    command.args(arguments).current_dir(recordings()).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn gapless(arguments: &[&str]) -> Run {
    let output = program(arguments).output();
    Run::new(output.unwrap_or_else(|error| panic!("{error}")))
}

/// Runs the program with `input` as its standard input.
pub(crate) fn gapless_reads(arguments: &[&str], input: &[u8]) -> Run {
    let mut command = program(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}"));
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).unwrap_or_else(|error| panic!("{error}"));
    }
    Run::new(child.wait_with_output().unwrap_or_else(|error| panic!("{error}")))
}

/// The folder of the recordings.
pub(crate) fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings")
}

/// An empty folder of this name for one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap_or_else(|error| panic!("{error}"));
    }
    std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{error}"));
    path
}
