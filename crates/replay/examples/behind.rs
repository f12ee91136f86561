//! What the gapless allocator's calls of a card take while the card is behind its program, as it always is.
//!
//! ```text
//! cargo run --release -p gapless-replay --example behind -- COSTS [PAGE] FILE...
//! ```
//!
//! A page cannot come to addresses that unfinished work may use. So more pages move, and other ones,
//! the more operations the streams are behind. Told are the pages that are mapped over the whole
//! recording, and which part of the recorded time the calls of its second half take by the costs; in the
//! last line PyTorch's own allocator with expandable segments.

#![expect(clippy::disallowed_methods, reason = "it reads the files it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use gapless_allocator::{PageSize, Slack};
use gapless_device::Costs;
use gapless_replay::{Contender, GaplessSettings, Program};
use gapless_trace::Trace;
use gapless_units::Bytes;

/// How many operations the streams are behind at most.
const BEHIND: [usize; 4] = [1, 100, 1000, 10_000];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let costs = arguments.next().and_then(|name| Costs::preset(&name)).ok_or("which costs?")?;
    let page = arguments.next_if(|text| text.parse::<Bytes>().is_ok());
    let page = page.map_or(Ok(PageSize::SMALLEST), |text| text.parse().map(PageSize::at_least))?;
    for path in arguments {
        let bytes = std::fs::read(&path)?;
        let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default())?;
        let device = recording.devices.into_iter().next().ok_or("it tells of no device")?;
        let trace = Trace::rebuild(device)?;
        let program = Program::of(&trace);
        let program = if trace.is_placed() { program.begun_anew() } else { program };
        let operations = program.operations.len();
        let half = operations / 2..operations;
        let time = |at: usize| trace.events.times()[program.events[at] as usize].0;
        let micros = (time(operations - 1) - time(half.start)) as f64;
        println!("{}: {operations} operations", path.rsplit('/').next().unwrap_or(&path));
        let ours = Contender::gapless(GaplessSettings { slack: Slack::DEFAULT, page });
        let expandable = Contender::named("expandable").ok_or("no such allocator")?;
        let ways = BEHIND.map(|behind| (&ours, behind)).into_iter();
        for (contender, behind) in ways.chain([(&expandable, BEHIND[2])]) {
            let trial = contender.run_behind(&program, None, &costs, Some(&half), behind)?;
            let later = trial.in_span.unwrap_or_default();
            let peak = program.met_peak(|size| size.round_up(Bytes::new(512)));
            let over = trial.peak_reserved.get() as f64 / peak.get() as f64 - 1.0;
            println!(
                "  {} {behind} behind: {} granules mapped, {} created, {:.3} % of the second half, \
                 {} waits, {:.2} % over live",
                contender.name,
                trial.calls.granules_mapped,
                trial.calls.create,
                100.0 * later.modelled_nanos as f64 / 1e3 / micros,
                trial.stalls,
                100.0 * over,
            );
        }
    }
    Ok(())
}
