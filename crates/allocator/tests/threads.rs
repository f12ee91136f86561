//! Several threads and one allocator over real memory: no data is lost, whoever gives back what.
//!
//! Each block is filled on its own stream when it is given and compared there as the last thing
//! before it is freed, by its own thread or by another. So memory that two threads have at once,
//! that is handed on too early, or that is mapped elsewhere, shows as wrong bytes.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]
#![expect(clippy::disallowed_methods, reason = "it is about threads")]

#[path = "real/memory.rs"]
mod memory;

use std::sync::{Mutex, PoisonError};
use std::thread;

use gapless_allocator::SharedBlock as Block;
use gapless_allocator::{AllocationError, PageSize, SharedAllocator, Slack, ThreadFront};
use gapless_device::{Device, Host, HostSetup, SharedDevice};
use gapless_units::{Bytes, KIB, StreamId};

use memory::{Card, Memory};

const THREADS: u64 = 4;
const STREAMS: u64 = 3;

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap()
    }
}

/// A block, full of the pattern of a seed.
struct Held {
    block: Block,
    stream: StreamId,
    seed: u64,
}

/// A thread's part of the program.
struct Worker<'t, M: Memory> {
    allocator: SharedAllocator<M::Device>,
    front: ThreadFront<M::Device>,
    memory: &'t M,
    /// The unit of sizes.
    unit: u64,
    numbers: Numbers,
    held: Vec<Held>,
    /// What threads leave for whichever comes by.
    left: &'t Mutex<Vec<Held>>,
    next_seed: u64,
    refused: u64,
}

impl<M: Memory> Worker<'_, M> {
    fn run(mut self, steps: u64) -> u64 {
        for _ in 0..steps {
            match self.numbers.below(40) {
                0..18 => self.allocate(),
                18..30 => self.give_back(),
                30..34 => self.use_elsewhere(),
                34..36 => self.leave(),
                36..38 => self.find(),
                38 => self.allocator.process_events().unwrap(),
                _ => {
                    let keep = Bytes::new(self.numbers.below(40) * self.unit);
                    self.allocator.trim(keep).unwrap();
                }
            }
        }
        while !self.held.is_empty() {
            self.give_back();
        }
        self.refused
    }

    fn allocate(&mut self) {
        let unit = self.unit;
        let size = match self.numbers.below(4) {
            0 => 1 + self.numbers.below(unit / 8),
            1 | 2 => 1 + self.numbers.below(3 * unit),
            _ => 2 * unit + self.numbers.below(5 * unit),
        };
        let stream = self.memory.stream(self.numbers.below(STREAMS));
        match self.front.allocate(Bytes::new(size), stream) {
            Ok(block) => {
                let seed = self.next_seed;
                self.next_seed += THREADS;
                self.memory.fill(stream, block.extent(), seed);
                self.held.push(Held { block, stream, seed });
            }
            Err(AllocationError::OutOfMemory { .. }) => {
                self.refused += 1;
                // So that threads which are short do not wait for each other's blocks.
                self.give_back();
            }
            Err(error) => panic!("{size} on {stream}: {error}"),
        }
    }

    fn give_back(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let which = self.numbers.place(self.held.len());
        let Held { block, stream, seed } = self.held.swap_remove(which);
        self.memory.check(stream, block.extent(), seed);
        self.front.free(block).unwrap();
    }

    fn use_elsewhere(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let which = self.numbers.place(self.held.len());
        let stream = self.memory.stream(self.numbers.below(STREAMS));
        let held = &mut self.held[which];
        self.memory.let_follow(held.stream, stream);
        self.memory.check(stream, held.block.extent(), held.seed);
        held.block.record_stream(stream);
    }

    fn leave(&mut self) {
        if let Some(held) = self.held.pop() {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        }
    }

    fn find(&mut self) {
        let found = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        self.held.extend(found);
    }
}

/// Lets threads take so many steps each, in memory of so many granules at most.
fn run<M: Memory>(memory: &M, page: PageSize, steps: u64) {
    let device = memory.device();
    let unit = device.granule().get();
    let allocator = SharedAllocator::with_pages(device, page, Slack::NONE, ());
    let left = Mutex::new(Vec::new());
    let refused: u64 = thread::scope(|scope| {
        let workers = (0..THREADS).map(|seed| {
            let worker = Worker {
                allocator: allocator.clone(),
                front: allocator.front(),
                memory,
                unit,
                numbers: Numbers(seed),
                held: Vec::new(),
                left: &left,
                next_seed: seed,
                refused: 0,
            };
            scope.spawn(move || worker.run(steps))
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // A program that always finds room would show little.
    assert!(0 < refused, "the memory is plenty");
    let mut front = allocator.front();
    for held in left.into_inner().unwrap() {
        memory.check(held.stream, held.block.extent(), held.seed);
        front.free(held.block).unwrap();
    }
    drop(front);
    memory.wait_for_device();
    allocator.process_events().unwrap();
    allocator.check_invariants().unwrap();
    assert_eq!(memory.complaint(), None);
    check_statistics(&allocator);
    allocator.trim(Bytes::ZERO).unwrap();
    memory.check_empty();
}

/// Everything went back, and the statistics say so.
fn check_statistics<D: SharedDevice>(allocator: &SharedAllocator<D>) {
    let statistics = allocator.statistics();
    for (name, statistic) in statistics.by_pool() {
        let net = statistic.all.allocated - statistic.all.freed;
        assert_eq!(statistic.all.current, net, "{name}");
        let parts = statistic.small_pool.current + statistic.large_pool.current;
        assert_eq!(statistic.all.current, parts, "{name}");
    }
    assert_eq!(statistics.allocation.all.current, 0);
    assert_eq!(statistics.allocated_bytes.all.current, 0);
    assert_eq!(statistics.requested_bytes.all.current, 0);
    assert_eq!(statistics.active_bytes.all.current, 0);
    assert!(0 < statistics.allocation.all.allocated);
}

#[test]
fn threads_lose_no_data() {
    let granule = Bytes::new(64 * KIB);
    for granules in [40, 60, 90] {
        let total = Bytes::new(granules * granule.get());
        for page in [PageSize::SMALLEST, PageSize::at_least(Bytes::new(2 * granule.get()))] {
            let setup = HostSetup { granule, ..HostSetup::new(total) };
            run(&Host::new(setup).unwrap(), page, 4000);
        }
    }
}

#[test]
fn threads_lose_no_data_on_a_card() {
    for granules in [40, 60, 90] {
        let Some(card) = Card::open(Bytes::mib(2 * granules), STREAMS) else { return };
        run(&card, PageSize::SMALLEST, 4000);
    }
}
