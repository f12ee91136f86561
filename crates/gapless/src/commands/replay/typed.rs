//! What may be typed behind `gapless replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gapless::trace::{Release, Settings};
use gapless::units::{Bytes, DeviceId};

use crate::commands::ours::OurSettings;
use crate::commands::shared::{
    capacity, costs_in_full, costs_in_short, device, release, settings, size,
};
use crate::output::OutputArguments;

/// Examples in the long help; a test runs each of them.
const EXAMPLES: &str = "\
Examples:
  gapless replay run.pickle
  gapless replay run.pickle --settings expandable_segments:True
  gapless replay run.pickle --capacity 40GiB
  gapless replay run.pickle --capacity \"A100 40GB\" --on-failure skip
  gapless replay run.pickle --framework 2.11 --format json
  gapless replay run.pickle --settings max_split_size_mb:128 --record replayed.pickle
  gapless replay run.pickle --allocator gapless --record ours.pickle
  gapless replay run.pickle --format html --output page.html

Exit codes: 0 every request was met, 1 one was not, 2 could not.";

/// Replay a recording under other settings, on another card, or through `gapless`
///
/// Runs what the program asked for through the exact rules of PyTorch's allocator, or through our own, over a
/// simulated card, and tells peaks, failures, retries, calls of the device and their modelled time. First of
/// all it replays the recording under its own settings and says how much of it comes back.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Typed {
    /// The recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Whose allocator
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Allocator::Caching)]
    pub(super) allocator: Allocator,

    /// The settings of PyTorch's, as in `PYTORCH_CUDA_ALLOC_CONF` [default: those recorded]
    #[arg(long, value_name = "SETTINGS", value_parser = settings)]
    pub(super) settings: Option<Settings>,

    /// The release of PyTorch whose rules to follow [default: the one the recording comes from]
    #[arg(long, value_name = "RELEASE", value_parser = release)]
    pub(super) framework: Option<Release>,

    #[command(flatten)]
    pub(super) ours: OurSettings,

    /// The card's memory, such as `40GiB` or `"A100 40GB"` [default: without limit]
    #[arg(long, value_name = "SIZE|CARD", value_parser = capacity)]
    pub(super) capacity: Option<Bytes>,

    /// What of the card the allocator cannot have: context, libraries, neighbors
    /// [default: 504MiB, what CUDA 13 with PyTorch takes of an 80 GiB card]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) outside: Option<Bytes>,

    /// What to do when a request fails
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Then::Stop)]
    pub(super) on_failure: Then,

    #[arg(
        long,
        value_name = "PRESET|FILE",
        help = costs_in_short(),
        long_help = costs_in_full(),
        default_value = "pessimistic"
    )]
    pub(super) costs: String,

    /// Replay this device only
    #[arg(long, value_name = "NUMBER", value_parser = device)]
    pub(super) device: Option<DeviceId>,

    /// Write the replayed allocator's own snapshot, for `explain` and PyTorch's viewer
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,

    /// How to tell it
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Whose allocator a recording is replayed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Allocator {
    /// PyTorch's
    Caching,
    /// The one of this project, from the start
    Gapless,
}

/// What to do when a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Then {
    /// End there
    Stop,
    /// Go on without that block and its later free
    Skip,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A screen for people
    Text,
    /// Everything for programs, of the schema `gapless.replay/1`; several files: a list, `recordings`
    Json,
    /// For an issue or a pull request
    Markdown,
    /// One page that opens from disk, with both runs in one picture
    Html,
}
