//! How fast a recording is replayed: nanoseconds an operation, replay alone.
//!
//! ```text
//! cargo run --release -p gapless-replay --example replay_speed -- FILE [SETTINGS] [PASSES]
//! ```

#![expect(clippy::disallowed_methods, reason = "it measures time and reads the file it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::time::Instant;

use gapless_replay::{Program, Setup, Start, run};
use gapless_trace::{Settings, Trace};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which file?")?;
    let settings = arguments.next().unwrap_or_default();
    let passes: usize = arguments.next().map_or(Ok(21), |text| text.parse())?;
    let recording =
        gapless_formats::read(std::fs::read(path)?, &gapless_formats::Limits::default())?;
    let device = recording.devices.into_iter().next().ok_or("it tells of no device")?;
    let trace = Trace::rebuild(device)?;
    let program = Program::of(&trace);
    let start = Start::of(&trace);
    let setup = Setup::new(Settings::parse(&settings)?);
    let mut best = f64::INFINITY;
    let mut reserved = gapless_units::Bytes::ZERO;
    for _ in 0..passes {
        let began = Instant::now();
        let outcome = run(&program, &start, &setup)?;
        best = best.min(began.elapsed().as_secs_f64());
        reserved = outcome.peak.reserved;
    }
    let operations = program.operations.len();
    let nanos = best * 1e9 / operations as f64;
    println!("operations {operations}");
    println!("nanoseconds an operation {nanos:.1}");
    println!("million operations a second {:.2}", 1e3 / nanos);
    println!("peak reserved {reserved}");
    Ok(())
}
