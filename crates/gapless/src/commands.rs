//! The commands, one file each.

mod shared;
mod ours;
mod parallel;
mod sweeping;

mod explain;
mod replay;
mod advise;
mod compare;

use clap::Subcommand;

use crate::failure::Failure;

/// What a command found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done, or the answer is yes.
    Yes,
    /// It was done, and the answer is no.
    No,
}

/// What may be asked of gapless.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Explain(Box<explain::Typed>),
    Replay(Box<replay::Typed>),
    Advise(Box<advise::Typed>),
    Compare(Box<compare::Typed>),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Answer, Vec<Failure>> {
        match self {
            Self::Explain(typed) => explain::run(*typed).map(|()| Answer::Yes),
            Self::Replay(typed) => replay::run(*typed),
            Self::Advise(typed) => advise::run(*typed),
            Self::Compare(typed) => compare::run(*typed),
        }
    }
}
