//! Threads that go on while another captures graphs and lets peers in.

#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]
#![expect(clippy::disallowed_methods, reason = "it is about threads")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gapless_allocator::{AllocationError, SharedAllocator, SharedBlock, Slack, ThreadFront};
use gapless_device::{Device, DeviceError, Locked};
use gapless_units::{Bytes, DeviceId, KIB, MIB, PoolId, StreamId};

use crate::program::cases;
use crate::watched::Watched;

const THREADS: u64 = 3;
const GRAPHS: PoolId = PoolId(0, 9);
const CAPTURED: StreamId = StreamId(9);

/// A generator of numbers that are always the same (Knuth's constants for 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

fn is_capturing(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Invalid { reason: "a graph is being captured", .. })
}

/// A thread with two streams and a pool of its own.
struct Worker {
    allocator: SharedAllocator<Locked<Watched>>,
    device: Locked<Watched>,
    front: ThreadFront<Locked<Watched>>,
    number: u64,
    numbers: Numbers,
    held: Vec<SharedBlock>,
}

impl Worker {
    fn new(
        allocator: &SharedAllocator<Locked<Watched>>,
        device: &Locked<Watched>,
        number: u64,
        seed: u64,
    ) -> Self {
        Self {
            allocator: allocator.clone(),
            device: device.clone(),
            front: allocator.front(),
            number,
            numbers: Numbers(seed * THREADS + number),
            held: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.numbers.below(20) {
            0..9 => self.allocate(),
            9..16 => self.give_one_back(),
            16 => {
                let answer = self.allocator.trim(Bytes::mib(self.numbers.below(20)));
                assert!(answer.is_ok() || answer.is_err_and(|error| is_capturing(&error)));
            }
            17 => {
                let stream = StreamId(self.numbers.below(2 * THREADS));
                self.device.with(|device| device.finish_stream(stream));
            }
            18 => assert_eq!(self.allocator.process_events(), Ok(())),
            _ if self.numbers.below(4) == 0 => {
                while !self.held.is_empty() {
                    self.give_one_back();
                }
                self.allocator.end_pool(PoolId(0, 1 + self.number));
            }
            _ => {}
        }
    }

    fn allocate(&mut self) {
        let most =
            [4 * KIB, MIB, 9 * MIB, 9 * MIB][usize::try_from(self.numbers.below(4)).unwrap()];
        let size = Bytes::new(1 + self.numbers.below(most));
        let stream = StreamId(self.number + THREADS * self.numbers.below(2));
        let is_private = self.numbers.below(5) == 0;
        let pool = if is_private { PoolId(0, 1 + self.number) } else { PoolId::DEFAULT };
        match self.front.allocate_in(pool, size, stream) {
            Ok(block) => {
                self.device.with(|device| device.queue(stream, block.extent()));
                self.held.push(block);
            }
            // While a graph is captured nothing can be done about either.
            Err(
                AllocationError::OutOfMemory { .. }
                | AllocationError::Device(DeviceError::OutOfMappings { .. }),
            ) => self.give_one_back(),
            Err(error) => panic!("{size} on {stream}: {error}"),
        }
    }

    fn give_one_back(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let which = usize::try_from(self.numbers.below(self.held.len() as u64)).unwrap();
        let mut block = self.held.swap_remove(which);
        if self.numbers.below(3) == 0 {
            let other = StreamId(self.numbers.below(2 * THREADS));
            self.device.with(|device| device.queue(other, block.extent()));
            block.record_stream(other);
        }
        self.front.free(block).unwrap();
    }
}

/// Captures some graphs, and lets a peer in now and then.
fn capture(
    allocator: &SharedAllocator<Locked<Watched>>,
    device: &Locked<Watched>,
    numbers: &mut Numbers,
) {
    let mut front = allocator.front();
    for _ in 0..40 {
        allocator.begin_capture();
        device.with(|device| device.is_capturing = true);
        let sizes: Vec<u64> = (0..numbers.below(5)).map(|_| 1 + numbers.below(4)).collect();
        let blocks: Vec<SharedBlock> = sizes
            .into_iter()
            .filter_map(|mib| front.allocate_in(GRAPHS, Bytes::mib(mib), CAPTURED).ok())
            .collect();
        thread::yield_now();
        for block in blocks {
            front.free(block).unwrap();
        }
        device.with(|device| device.is_capturing = false);
        allocator.end_capture().unwrap();
        if numbers.below(4) == 0 {
            allocator.end_pool(GRAPHS);
        }
        if numbers.below(10) == 0 {
            let peer = DeviceId(u32::try_from(1 + numbers.below(3)).unwrap());
            allocator.enable_peer_access(peer).unwrap();
        }
    }
}

fn round(seed: u64) {
    let mut numbers = Numbers(seed);
    let pages = 12 + numbers.below(40);
    let few = pages + numbers.below(8);
    let mappings = if numbers.below(3) == 0 { few } else { u64::MAX };
    let device = Locked::new(Watched::new(Bytes::mib(2 * pages), mappings));
    let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let mut worker = Worker::new(&allocator, &device, number, seed);
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    worker.step();
                }
                while !worker.held.is_empty() {
                    worker.give_one_back();
                }
            });
        }
        capture(&allocator, &device, &mut numbers);
        is_over.store(true, Ordering::Relaxed);
    });
    allocator.check_invariants().unwrap();
    for thread in 0..THREADS {
        allocator.end_pool(PoolId(0, 1 + thread));
    }
    allocator.end_pool(GRAPHS);
    allocator.trim(Bytes::ZERO).unwrap();
    device.with(|device| {
        assert_eq!(device.complaint, None, "seed {seed}");
        assert_eq!(device.given(), Bytes::ZERO, "seed {seed}");
    });
    assert_eq!(allocator.statistics().active.all.current, 0);
    assert_eq!(device.memory().free, device.memory().total);
}

/// What a driver refuses while a graph is captured nobody does, and in the end everything goes back.
#[test]
fn threads_go_on_while_graphs_are_captured() {
    for seed in 0..u64::from(cases(30)) {
        round(seed);
    }
}
