//! What the gapless allocator takes of the host's time, over the simulated device.
//!
//! ```text
//! cargo run --release -p gapless-replay --example host_cost -- [PASSES] [FILE...]
//! ```
//!
//! Without a file a hit: one size, asked for and given back, by one thread and by two at once. With
//! files the operations of these recordings, carried out over and over by one allocator, as a
//! program's iterations are. Everywhere the best pass counts.

#![expect(clippy::disallowed_methods, reason = "it measures time and reads the files it is given")]
#![expect(clippy::print_stdout, reason = "it is a program")]

#[path = "steps/steps.rs"]
mod steps;

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, SharedAllocator, Slack};
use gapless_device::{Locked, SharedDevice, Sim, SimSetup};
use gapless_units::{Bytes, KIB, MIB, StreamId};

use steps::{Step, Steps};

/// Requests and frees of a pass over one size.
const PAIRS: usize = 100_000;

type Answer<T> = Result<T, Box<dyn Error>>;

/// A device that no program is too large for.
fn device() -> Sim {
    Sim::new(SimSetup::new(Bytes::gib(4096)))
}

struct Bench {
    allocator: GaplessAllocator<Sim>,
    blocks: Vec<Option<BlockId>>,
}

impl Bench {
    fn new(places: usize) -> Self {
        let allocator = GaplessAllocator::new(device(), Slack::DEFAULT, ());
        Self { allocator, blocks: vec![None; places] }
    }

    #[inline]
    fn step(&mut self, step: Step) -> Answer<()> {
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

    /// The least time that a step takes which is slower than 99 of 100, in nanoseconds; without
    /// what asking for the time takes.
    fn slowest_hundredth(&mut self, steps: &[Step]) -> Answer<f64> {
        let mut idle: Vec<u128> = (0..1000).map(|_| Instant::now().elapsed().as_nanos()).collect();
        let mut times = Vec::with_capacity(steps.len());
        for &step in steps {
            let began = Instant::now();
            self.step(step)?;
            times.push(began.elapsed().as_nanos());
        }
        times.sort_unstable();
        idle.sort_unstable();
        Ok(times[times.len() * 99 / 100] as f64 - idle[idle.len() / 2] as f64)
    }
}

/// Nanoseconds for each of so many steps in the best of the passes.
fn best(passes: usize, steps: usize, mut pass: impl FnMut() -> Answer<()>) -> Answer<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..passes {
        let began = Instant::now();
        pass()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best * 1e9 / steps as f64)
}

/// A hit in the front of an allocator that one thread has for itself.
fn hit(passes: usize, size: Bytes) -> Answer<f64> {
    let mut bench = Bench::new(0);
    best(passes, PAIRS, || {
        for _ in 0..PAIRS {
            let block = bench.allocator.allocate(black_box(size), StreamId::DEFAULT)?;
            bench.allocator.free(black_box(block))?;
        }
        Ok(())
    })
}

/// A hit in the fronts of so many threads at once.
fn shared_hit(passes: usize, size: Bytes, threads: usize) -> Answer<f64> {
    let allocator = SharedAllocator::new(Locked::new(device()), Slack::DEFAULT, ());
    best(passes, PAIRS, || {
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| hits_of_a_thread(&allocator, size))).collect();
            threads.into_iter().all(|thread| matches!(thread.join(), Ok(true)))
        })
        .then_some(())
        .ok_or_else(|| "a thread failed".into())
    })
}

fn hits_of_a_thread<D: SharedDevice>(allocator: &SharedAllocator<D>, size: Bytes) -> bool {
    let mut front = allocator.front();
    (0..PAIRS).all(|_| {
        let block = front.allocate(black_box(size), StreamId::DEFAULT);
        block.is_ok_and(|block| front.free(black_box(block)).is_ok())
    })
}

fn print_hits(passes: usize) -> Answer<()> {
    for size in [Bytes::new(512), Bytes::new(4 * MIB)] {
        let nanos = hit(passes, size)?;
        println!("a hit of {size}, with its free: {nanos:.1} ns");
    }
    let size = Bytes::new(64 * KIB);
    for threads in [1, 2] {
        let nanos = shared_hit(passes, size, threads)?;
        println!("a hit of {size}, with its free, in each of {threads} threads: {nanos:.1} ns");
    }
    Ok(())
}

fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let passes = arguments.next_if(|text| text.parse::<usize>().is_ok());
    let passes = passes.map_or(Ok(21), |text| text.parse())?;
    if arguments.peek().is_none() {
        return print_hits(passes);
    }
    for path in arguments {
        let Steps { steps, places } = Steps::read(&path)?;
        let mut bench = Bench::new(places);
        let nanos =
            best(passes, steps.len(), || steps.iter().try_for_each(|&step| bench.step(step)))?;
        let (mut slow, mut mapped) = (f64::INFINITY, 0);
        for _ in 0..passes {
            let before = bench.allocator.device().calls().granules_mapped;
            slow = slow.min(bench.slowest_hundredth(&steps)?);
            mapped = bench.allocator.device().calls().granules_mapped - before;
        }
        let name = path.rsplit('/').next().unwrap_or(&path);
        let count = steps.len();
        println!(
            "{name}: {count} operations, {nanos:.1} ns each, p99 {slow:.0} ns, {mapped} granules mapped"
        );
    }
    Ok(())
}
