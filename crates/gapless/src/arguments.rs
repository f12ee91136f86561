//! What was typed, as far as it is the same for all commands.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::commands::Command;

/// The command that a bare file means.
const DEFAULT: &str = "explain";

/// GPU memory without gaps
///
/// Explains what a program recorded about its GPU memory: `gapless run.pickle` says where every
/// reserved byte is and why a request failed.
#[derive(Debug, Parser)]
#[command(name = "gapless", version, arg_required_else_help = true)]
#[command(after_help = "A bare file means `gapless explain FILE`.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads the command line.
pub(crate) fn read(typed: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(with_command(typed.collect()))
}

/// Says why a command line was refused, or what was asked about the program itself.
pub(crate) fn refuse(refused: &clap::Error) -> ExitCode {
    // Whoever closed the pipe has seen enough.
    let _ = refused.print();
    ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2))
}

/// The command line with the command that a bare file means, unless it names one itself.
fn with_command(mut typed: Vec<OsString>) -> Vec<OsString> {
    let program = Arguments::command();
    let named = |word: &OsString| {
        word == "help" || program.get_subcommands().any(|command| word == command.get_name())
    };
    let about_program = ["-h", "--help", "-V", "--version"];
    match typed.get(1) {
        None => typed,
        Some(first) if named(first) || about_program.iter().any(|option| first == option) => typed,
        Some(_) => {
            typed.insert(1, DEFAULT.into());
            typed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &[&str], meant: &[&str]) {
        let typed = typed.iter().map(OsString::from).collect();
        assert_eq!(with_command(typed), meant);
    }

    #[test]
    fn a_bare_file_is_explained() {
        check(&["gapless", "run.pickle"], &["gapless", "explain", "run.pickle"]);
        check(&["gapless", "--at", "3", "x"], &["gapless", "explain", "--at", "3", "x"]);
        check(&["gapless", "explain", "x"], &["gapless", "explain", "x"]);
        check(&["gapless", "help", "explain"], &["gapless", "help", "explain"]);
        check(&["gapless", "--version"], &["gapless", "--version"]);
        check(&["gapless"], &["gapless"]);
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
