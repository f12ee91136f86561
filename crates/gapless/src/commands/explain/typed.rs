//! What may be typed behind `gapless explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gapless::report::Moment;
use gapless::units::{Bytes, DeviceId};

use crate::commands::shared::{capacity, device};
use crate::output::OutputArguments;

/// Examples in the long help; a test runs each of them.
const EXAMPLES: &str = "\
Examples:
  gapless run.pickle
  gapless explain run.pickle.gz --verbose
  gapless explain run.pickle --at 1000 --format json
  gapless explain run.pickle --capacity 80GiB
  gapless explain run.pickle --format html --output page.html
  gapless explain run.pickle --format markdown --redact --output issue.md
  gapless explain rank0.pickle rank1.pickle rank2.pickle
  gzip -dc run.pickle.gz | gapless explain -

Exit codes: 0 told, 2 could not.";

/// Say where every reserved byte of a recording is, and why a request failed
///
/// Reads PyTorch memory snapshots (what `torch.cuda.memory._dump_snapshot` writes, plain, `.gz` or
/// `.zst`, pickled or JSON) and plain lists of operations. Gives every reserved byte one cause,
/// says whether an out-of-memory was fragmentation and of which kind, and names the live blocks
/// that hold the free memory. A recording is never executed.
///
/// Several files are compared: a line for each, outliers first, then the worst in full.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Typed {
    /// The recordings; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// The instant to look at: `failure`, `end`, or right after the event of this number,
    /// counted from 0 [default: the failure if there is one, else the end]
    #[arg(long, value_name = "EVENT", value_parser = moment)]
    pub(super) at: Option<Moment>,

    /// The memory of the device, such as `80GiB` or `"A100 40GB"`: tells what was held outside of the
    /// allocator when a request failed
    #[arg(long, value_name = "SIZE|CARD", value_parser = capacity)]
    pub(super) capacity: Option<Bytes>,

    /// Look at this device only
    #[arg(long, value_name = "NUMBER", value_parser = device)]
    pub(super) device: Option<DeviceId>,

    /// How to tell it
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(super) format: Format,

    /// Hide paths, functions and labels, to share the result
    #[arg(long)]
    pub(super) redact: bool,

    /// Tell everything: curves, iterations, all findings with evidence, stacks, pools, notes
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A screen for people
    Text,
    /// Everything for programs, of the schema `gapless.explain/1`; several files: a list, `recordings`
    Json,
    /// For an issue or a pull request
    Markdown,
    /// One page that opens from disk, with the memory drawn
    Html,
}

fn moment(text: &str) -> Result<Moment, String> {
    match text {
        "failure" => Ok(Moment::Failure),
        "end" => Ok(Moment::End),
        number => number
            .parse()
            .map(Moment::After)
            .map_err(|_| "write `failure`, `end`, or the number of an event".to_owned()),
    }
}
