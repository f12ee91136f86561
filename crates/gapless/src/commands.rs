//! The commands, one file each.

mod explain;

use clap::Subcommand;

use crate::failure::Failure;

/// What may be asked of gapless.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Explain(explain::Typed),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Vec<Failure>> {
        match self {
            Self::Explain(typed) => explain::run(typed),
        }
    }
}
