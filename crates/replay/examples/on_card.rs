//! What allocators' calls of a card take, measured on the card, beside what a file of costs says.
//!
//! ```text
//! cargo run --release -p gapless-replay --example on_card -- COSTS FILE...
//! ```
//!
//! Each recording is carried out several times by one allocator, as a program's iterations are, without
//! its kernels: the gapless allocator, and PyTorch's with expandable segments and with default settings.
//! Told are the calls of the card and their time in the first pass and in the last.

#![expect(clippy::disallowed_methods, reason = "it measures time and reads the files it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

#[path = "steps/steps.rs"]
mod steps;
#[path = "steps/timed.rs"]
mod timed;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::time::{Duration, Instant};

use gapless_allocator::{Allocator, CachingAllocator, GaplessAllocator, Slack};
use gapless_device::{Costs, Cuda, CudaSetup, Device, Sim, SimSetup};
use gapless_trace::{Release, Settings};
use gapless_units::StreamId;

use steps::{Step, Steps};
use timed::Timed;

/// So often a recording is carried out.
const PASSES: usize = 4;

type Answer<T> = Result<T, Box<dyn Error>>;

/// The calls and the time of a pass.
#[derive(Clone, Copy)]
struct Pass {
    calls: u64,
    in_calls: Duration,
    in_all: Duration,
}

/// Carries the steps out, over and over.
fn passes<A: Allocator>(
    allocator: &mut A,
    it: &Steps,
    streams: &BTreeMap<StreamId, StreamId>,
    spent: impl Fn(&A) -> (u64, Duration),
) -> Answer<Vec<Pass>> {
    let mut blocks: Vec<Option<A::Block>> = vec![None; it.places];
    let mut pass = || -> Answer<Pass> {
        let (calls, in_calls) = spent(allocator);
        let began = Instant::now();
        for &step in &it.steps {
            match step {
                Step::Allocate { place, size, stream, pool } => {
                    blocks[place] = Some(allocator.allocate_in(pool, size, streams[&stream])?);
                }
                Step::Free { place } => {
                    if let Some(block) = blocks[place].take() {
                        allocator.free(block)?;
                    }
                }
                Step::Use { place, stream } => {
                    if let Some(block) = blocks[place] {
                        allocator.record_stream(block, streams[&stream])?;
                    }
                }
            }
        }
        let in_all = began.elapsed();
        let (all_calls, all) = spent(allocator);
        Ok(Pass { calls: all_calls - calls, in_calls: all.saturating_sub(in_calls), in_all })
    };
    (0..PASSES).map(|_| pass()).collect()
}

/// A stream of the card for each that the steps name.
fn streams_on(card: &Cuda, it: &Steps) -> Answer<BTreeMap<StreamId, StreamId>> {
    let named = it.steps.iter().filter_map(|step| match *step {
        Step::Allocate { stream, .. } | Step::Use { stream, .. } => Some(stream),
        Step::Free { .. } => None,
    });
    let mut streams = BTreeMap::new();
    for stream in named {
        if let Entry::Vacant(entry) = streams.entry(stream) {
            entry.insert(if stream == StreamId::DEFAULT { stream } else { card.make_stream()? });
        }
    }
    Ok(streams)
}

fn print_line(name: &str, passes: &[Pass], modelled_nanos: u64, by_call: &str) {
    let (Some(first), Some(last)) = (passes.first(), passes.last()) else { return };
    let all: Duration = passes.iter().map(|pass| pass.in_calls).sum();
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    println!(
        "  {name:10} first {} calls {:.0} us (of {:.0}), last {} calls {:.0} us (of {:.0}); \
         all {:.0} us, modelled {:.0} us",
        first.calls,
        micros(first.in_calls),
        micros(first.in_all),
        last.calls,
        micros(last.in_calls),
        micros(last.in_all),
        micros(all),
        modelled_nanos as f64 / 1e3,
    );
    println!("             {by_call}");
}

/// One allocator on the card, and the same on the simulated device.
fn compare<A: Allocator<Device = Timed<Cuda>>, S: Allocator<Device = Sim>>(
    name: &str,
    it: &Steps,
    costs: &Costs,
    make: impl FnOnce(Timed<Cuda>) -> A,
    make_simulated: impl FnOnce(Sim) -> S,
) -> Answer<()> {
    let card = Cuda::open(CudaSetup::default())?;
    let streams = streams_on(&card, it)?;
    let total = card.memory().free;
    let mut allocator = make(Timed::new(card));
    let told = passes(&mut allocator, it, &streams, |it| it.device().spent())?;
    let by_call = allocator.device().to_string();
    allocator.empty_cache()?;
    let sim = Sim::new(SimSetup { costs: costs.clone(), ..SimSetup::new(total) });
    let mut simulated = make_simulated(sim);
    let same = streams.keys().map(|&stream| (stream, stream)).collect();
    passes(&mut simulated, it, &same, |_| (0, Duration::ZERO))?;
    print_line(name, &told, simulated.device().modelled_nanos(), &by_call);
    Ok(())
}

fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1);
    let costs = arguments.next().ok_or("which costs?")?;
    let costs = Costs::preset(&costs).ok_or("no such costs")?;
    for path in arguments {
        let it = Steps::read(&path)?;
        println!("{}: {} operations", path.rsplit('/').next().unwrap_or(&path), it.steps.len());
        let ours = compare(
            "gapless",
            &it,
            &costs,
            |card| GaplessAllocator::new(card, Slack::DEFAULT, ()),
            |sim| GaplessAllocator::new(sim, Slack::DEFAULT, ()),
        );
        if let Err(error) = ours {
            println!("  gapless: {error}");
        }
        for (name, expandable_segments) in [("expandable", true), ("default", false)] {
            let settings = Settings { expandable_segments, ..Settings::default() };
            let release = Release::new(2, 15);
            let theirs = compare(
                name,
                &it,
                &costs,
                |card| CachingAllocator::new(card, &settings, release, ()),
                |sim| CachingAllocator::new(sim, &settings, release, ()),
            );
            if let Err(error) = theirs {
                println!("  {name}: {error}");
            }
        }
    }
    Ok(())
}
