//! What may be typed behind `gapless compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gapless::replay::Contender;
use gapless::units::DeviceId;

use crate::commands::ours::OurSettings;
use crate::commands::shared::{costs_in_full, costs_in_short, device};
use crate::output::OutputArguments;

/// Examples in the long help; a test runs each of them.
const EXAMPLES: &str = "\
Examples:
  gapless compare run.pickle
  gapless compare run.pickle --allocators caching,expandable,gapless
  gapless compare run.pickle --allocators expandable,gapless --page 8MiB --costs h100
  gapless compare run.pickle --format json --costs pessimistic
  gapless compare run.pickle --format html --output compare.html

Exit codes: 0 it was compared; 2 could not.";

/// Put a recording through several allocators: what each needs, wastes and asks of the device
///
/// For each allocator: the smallest memory at which the program completes, the smallest at which
/// no request waits for the device, what is reserved without a limit, and what the device's
/// calls take. `gapless` is our own allocator; its code in the comparison is the code that ships.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Typed {
    /// The recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// The allocators, the first of them the one to compare with [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = contender)]
    pub(super) allocators: Vec<Contender>,

    #[command(flatten)]
    pub(super) ours: OurSettings,

    #[arg(
        long,
        value_name = "PRESET|FILE",
        help = costs_in_short(),
        long_help = costs_in_full(),
        default_value = "a100"
    )]
    pub(super) costs: String,

    /// Look at this device only
    #[arg(long, value_name = "NUMBER", value_parser = device)]
    pub(super) device: Option<DeviceId>,

    /// How to tell it
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A screen for people
    Text,
    /// Everything for programs, of the schema `gapless.compare/1`; several files: a list, `recordings`
    Json,
    /// For an issue or a pull request
    Markdown,
    /// One page that opens from disk, of one recording, with the reserved curves over each other
    Html,
}

/// An allocator by its name.
fn contender(text: &str) -> Result<Contender, String> {
    Contender::named(text.trim()).ok_or_else(|| {
        let names: Vec<&str> = Contender::catalog().iter().map(|it| it.name).collect();
        format!("there is {}", names.join(", "))
    })
}
