//! What allocators waste on recordings: a line for each, and the median; `all` stands for every
//! allocator. A preset of costs and a size of our own allocator's pages may stand before the files.
//!
//! ```text
//! cargo run --release -p gapless-replay --example waste -- ALLOCATOR [COSTS] [PAGE] FILE...
//! ```

#![expect(clippy::disallowed_methods, reason = "it measures time and reads the files it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::time::Instant;

use gapless_allocator::PageSize;
use gapless_device::Costs;
use gapless_replay::{Contender, GaplessSettings, Program, compare};
use gapless_trace::Trace;
use gapless_units::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let name = arguments.next().ok_or("which allocator?")?;
    let costs = arguments.next_if(|text| Costs::preset(text).is_some());
    let costs = Costs::preset(costs.as_deref().unwrap_or("a100")).ok_or("no costs")?;
    let page = arguments.next_if(|text| text.parse::<Bytes>().is_ok());
    let page = page.map_or(Ok(PageSize::SMALLEST), |text| text.parse().map(PageSize::at_least))?;
    let ours = Contender::gapless(GaplessSettings { page, ..GaplessSettings::default() });
    let mut contenders = Contender::catalog();
    contenders.retain(|contender| contender.name != ours.name);
    contenders.push(ours);
    contenders.retain(|contender| name == "all" || contender.name == name);
    if contenders.is_empty() {
        return Err("there is no such allocator".into());
    }
    let mut wasted = Vec::new();
    println!(
        "recording, allocator, peak live MiB, waste % at capacity, stall-free, uncapped, stalls, granules mapped, in the second half, modelled ms, ns an operation"
    );
    for path in arguments {
        let bytes = std::fs::read(&path)?;
        let Ok(recording) = gapless_formats::read(bytes, &gapless_formats::Limits::default())
        else {
            continue;
        };
        for device in recording.devices {
            let trace = Trace::rebuild(device)?;
            let program = Program::of(&trace);
            let program = if trace.is_placed() { program.begun_anew() } else { program };
            let file = path.rsplit('/').next().unwrap_or(&path);
            for contender in &contenders {
                wasted.push(tell(file, &program, contender, &costs)?);
            }
        }
    }
    wasted.sort_by(f64::total_cmp);
    // Of several allocators a median would say nothing.
    if let ([_], Some(median)) = (contenders.as_slice(), wasted.get(wasted.len() / 2)) {
        println!("stall-free {median:.2} % in the median of {}", wasted.len());
    }
    Ok(())
}

/// Prints a line; answers the waste without a stall, in percent.
fn tell(
    file: &str,
    program: &Program,
    contender: &Contender,
    costs: &Costs,
) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    contender.run(program, None, costs, None)?;
    let nanos = began.elapsed().as_nanos() as f64 / program.operations.len() as f64;
    let operations = program.operations.len();
    let it = compare(program, contender, costs, Some(&(operations / 2..operations)))?;
    println!(
        "{file:42} {:11} {:9.1} {:6.2} {:6.2} {:6.2} {:5} {:7} {:7} {:9.1} {nanos:6.0}",
        contender.name,
        it.peak_live.get() as f64 / 1048576.0,
        100.0 * it.waste(it.smallest_capacity),
        100.0 * it.waste(it.stall_free_capacity),
        100.0 * it.waste(it.uncapped.peak_reserved),
        it.at_capacity.stalls,
        it.uncapped.calls.granules_mapped,
        it.uncapped.in_span.unwrap_or_default().granules_mapped,
        it.uncapped.modelled_nanos as f64 / 1e6,
    );
    Ok(100.0 * it.waste(it.stall_free_capacity))
}
