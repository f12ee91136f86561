//! What may be typed behind `gapless advise`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gapless::trace::{Release, Settings};
use gapless::units::{Bytes, DeviceId};

use crate::commands::shared::{
    capacity, costs_in_full, costs_in_short, device, release, settings, size,
};
use crate::output::OutputArguments;

/// Examples in the long help; a test runs each of them.
const EXAMPLES: &str = "\
Examples:
  gapless advise run.pickle
  gapless advise run.pickle --capacity 40GiB
  gapless advise run.pickle --capacity \"A100 40GB\" --format json
  gapless advise run.pickle --request 2GiB
  gapless advise run.pickle --format html --output advice.html

Exit codes: 0 it fits, or a change was found; 1 no setting helps; 2 could not.";

/// Say which setting to change: the smallest change that makes a program fit, or saves most
///
/// Replays the recording under every setting of PyTorch's allocator that can matter, alone and
/// combined, and says what the smallest useful change is, what it brings, costs and conflicts
/// with, what was tried besides, and on which cards the program fits.
///
/// Without `--capacity` a recording that ends out of memory tells its own card.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Typed {
    /// The recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// The card's memory, such as `40GiB` or `"A100 40GB"`
    #[arg(long, value_name = "SIZE|CARD", value_parser = capacity)]
    pub(super) capacity: Option<Bytes>,

    /// What of the card the allocator cannot have: context, libraries, neighbors
    /// [default: 504MiB, what CUDA 13 with PyTorch takes of an 80 GiB card]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) outside: Option<Bytes>,

    /// One more request to meet at the end
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) request: Option<Bytes>,

    /// The settings now, as in `PYTORCH_CUDA_ALLOC_CONF` [default: those recorded]
    #[arg(long, value_name = "SETTINGS", value_parser = settings)]
    pub(super) settings: Option<Settings>,

    /// The release of PyTorch now [default: the one the recording comes from]
    #[arg(long, value_name = "RELEASE", value_parser = release)]
    pub(super) framework: Option<Release>,

    #[arg(
        long,
        value_name = "PRESET|FILE",
        help = costs_in_short(),
        long_help = costs_in_full(),
        default_value = "pessimistic"
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
    /// Everything for programs, of the schema `gapless.advise/1`; several files: a list, `recordings`
    Json,
    /// For an issue or a pull request
    Markdown,
    /// One page that opens from disk, with both runs in one picture
    Html,
}
