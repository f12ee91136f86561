//! What the gapless allocator takes of the host's time, over the simulated device.
//!
//! ```text
//! cargo run --release -p gapless-replay --example host_cost -- [PASSES] FILE...
//! ```
//!
//! A recording's operations are carried out over and over by one allocator, as a program's
//! iterations are; the best pass counts. Before the files stands a hit: one size, asked for and
//! given back.

#![expect(clippy::disallowed_methods, reason = "it measures time and reads the files it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use gapless_allocator::gapless::BlockId;
use gapless_allocator::{Allocator, GaplessAllocator, Slack};
use gapless_device::{Sim, SimSetup};
use gapless_replay::{Operation, Program};
use gapless_trace::Trace;
use gapless_units::{Bytes, PoolId, StreamId};

/// An operation with what it needs, so that carrying it out looks nothing up.
#[derive(Clone, Copy)]
enum Step {
    Allocate { place: usize, size: Bytes, stream: StreamId, pool: PoolId },
    Free { place: usize },
    Use { place: usize, stream: StreamId },
}

/// The steps of a program, which in the end gives back all it has.
fn steps(program: &Program) -> Vec<Step> {
    let mut held = vec![false; program.requests.len()];
    let mut steps = Vec::with_capacity(program.operations.len());
    for &operation in &program.operations {
        match operation {
            Operation::Allocate(id) => {
                let request = &program.requests[id.index()];
                if request.size.is_zero() {
                    continue;
                }
                held[id.index()] = true;
                steps.push(Step::Allocate {
                    place: id.index(),
                    size: request.size,
                    stream: request.stream,
                    pool: request.pool,
                });
            }
            Operation::Free(id) if held[id.index()] => {
                held[id.index()] = false;
                steps.push(Step::Free { place: id.index() });
            }
            Operation::RecordStream(id, stream) if held[id.index()] => {
                steps.push(Step::Use { place: id.index(), stream });
            }
            Operation::Free(_)
            | Operation::RecordStream(..)
            | Operation::Fail(_)
            | Operation::Complete(_)
            | Operation::EmptyCache
            | Operation::Synchronize => {}
        }
    }
    let rest = (0..held.len()).filter(|&place| held[place]);
    steps.extend(rest.map(|place| Step::Free { place }));
    steps
}

struct Bench {
    allocator: GaplessAllocator<Sim>,
    blocks: Vec<Option<BlockId>>,
}

impl Bench {
    fn new(places: usize) -> Self {
        let device = Sim::new(SimSetup::new(Bytes::gib(4096)));
        let allocator = GaplessAllocator::new(device, Slack::DEFAULT, ());
        Self { allocator, blocks: vec![None; places] }
    }

    #[inline]
    fn step(&mut self, step: Step) -> Result<(), Box<dyn Error>> {
        match step {
            Step::Allocate { place, size, stream, pool } => {
                self.blocks[place] = Some(self.allocator.allocate_in(pool, size, stream)?);
            }
            Step::Free { place } => {
                if let Some(block) = self.blocks[place].take() {
                    self.allocator.free(block)?;
                }
            }
            Step::Use { place, stream } => {
                if let Some(block) = self.blocks[place] {
                    self.allocator.record_stream(block, stream)?;
                }
            }
        }
        Ok(())
    }
}

/// Nanoseconds for each of so many steps in the best of the passes.
fn best(
    passes: usize,
    steps: usize,
    mut pass: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..passes {
        let began = Instant::now();
        pass()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best * 1e9 / steps as f64)
}

/// The time that the slowest hundredth of the steps takes at least, in nanoseconds.
fn slowest_hundredth(bench: &mut Bench, steps: &[Step]) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(steps.len());
    let mut idle = Vec::with_capacity(1000);
    for _ in 0..1000 {
        let began = Instant::now();
        idle.push(began.elapsed().as_nanos());
    }
    for &step in steps {
        let began = Instant::now();
        bench.step(step)?;
        times.push(began.elapsed().as_nanos());
    }
    times.sort_unstable();
    idle.sort_unstable();
    Ok(times[times.len() * 99 / 100] as f64 - idle[idle.len() / 2] as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let passes = arguments.next_if(|text| text.parse::<usize>().is_ok());
    let passes = passes.map_or(Ok(21), |text| text.parse())?;
    for size in [512, 4 << 20] {
        let mut bench = Bench::new(1);
        let pairs = 1_000;
        let nanos = best(passes, pairs, || {
            for _ in 0..pairs {
                let block =
                    bench.allocator.allocate(black_box(Bytes::new(size)), StreamId::DEFAULT)?;
                bench.allocator.free(black_box(block))?;
            }
            Ok(())
        })?;
        println!("hit of {}: {nanos:.1} ns for a request and its free", Bytes::new(size));
    }
    for path in arguments {
        let bytes = std::fs::read(&path)?;
        let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default())?;
        let device = recording.devices.into_iter().next().ok_or("it tells of no device")?;
        let trace = Trace::rebuild(device)?;
        let program = Program::of(&trace);
        let program = if trace.is_placed() { program.begun_anew() } else { program };
        let steps = steps(&program);
        let mut bench = Bench::new(program.requests.len());
        let nanos =
            best(passes, steps.len(), || steps.iter().try_for_each(|&step| bench.step(step)))?;
        let before = bench.allocator.device().calls().granules_mapped;
        let slow = slowest_hundredth(&mut bench, &steps)?;
        let mapped = bench.allocator.device().calls().granules_mapped - before;
        let name = path.rsplit('/').next().unwrap_or(&path);
        println!(
            "{name:42} {:7} operations {nanos:6.1} ns each, p99 {slow:5.0} ns, {mapped} granules mapped",
            steps.len()
        );
    }
    Ok(())
}
