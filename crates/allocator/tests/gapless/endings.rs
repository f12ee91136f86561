//! Threads whose streams and pools come and go.

#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]
#![expect(clippy::disallowed_methods, reason = "it is about threads")]

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use gapless_allocator::SharedBlock as Block;
use gapless_allocator::{AllocationError, SharedAllocator, Slack, ThreadFront};
use gapless_device::Locked;
use gapless_units::{Bytes, KIB, MIB, PoolId, StreamId};

use crate::program::cases;
use crate::watched::{Piece, Watched};

const THREADS: u64 = 4;

/// A block, with the memory under it.
struct Held {
    block: Block,
    pieces: Vec<Piece>,
    uses: BTreeSet<StreamId>,
}

/// What all threads have.
struct Common {
    allocator: SharedAllocator<Locked<Watched>>,
    device: Locked<Watched>,
    /// The memory under all blocks that are held.
    used: Mutex<Vec<Piece>>,
    /// Blocks that any thread may give back.
    left: Mutex<Vec<Held>>,
}

/// A thread with a pool and with streams of its own, which it makes and destroys.
struct Worker<'c> {
    common: &'c Common,
    front: ThreadFront<Locked<Watched>>,
    number: u64,
    random: u64,
    held: Vec<Held>,
}

fn pool_of(thread: u64) -> PoolId {
    PoolId(0, 1 + thread)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker<'_> {
    /// A number that is always the same (Knuth's constants for 64 bits).
    fn below(&mut self, limit: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) % limit
    }

    fn run(mut self, steps: u64) {
        for _ in 0..steps {
            let stream = StreamId(2 * self.number + self.below(2));
            match self.below(40) {
                0..16 => self.allocate(stream),
                16..27 => self.give_back_one(),
                27..29 => self.leave(),
                29..31 => self.find(),
                31..34 => self.use_on(stream),
                34 => self.common.device.with(|device| device.finish_stream(stream)),
                35 | 36 => self.end_stream(stream),
                37 => {
                    let thread = self.below(THREADS);
                    self.common.allocator.end_pool(pool_of(thread));
                }
                38 => assert_eq!(self.common.allocator.process_events(), Ok(())),
                _ => {
                    let keep = Bytes::mib(self.below(32));
                    assert_eq!(self.common.allocator.trim(keep), Ok(()));
                }
            }
        }
        while !self.held.is_empty() {
            self.give_back_one();
        }
    }

    fn allocate(&mut self, stream: StreamId) {
        let most = if self.below(2) == 0 { 256 * KIB } else { 5 * MIB };
        let size = Bytes::new(1 + self.below(most));
        let pool = if self.below(5) == 0 { pool_of(self.number) } else { PoolId::DEFAULT };
        self.common.device.with(|device| device.sim.make_stream(stream));
        let block = match self.front.allocate_in(pool, size, stream) {
            Ok(block) => block,
            // So that threads which are short do not wait for each other's blocks.
            Err(AllocationError::OutOfMemory { .. }) => return self.give_back_one(),
            Err(error) => panic!("{size} on {stream}: {error}"),
        };
        let pieces = self.common.device.with(|device| {
            let pieces = device.pieces(block.extent()).unwrap();
            assert_eq!(device.in_use_by_others(stream, &pieces), None, "{block:?} for {stream}");
            device.queue(stream, block.extent());
            pieces
        });
        let mut used = lock(&self.common.used);
        let twice = used.iter().find(|other| pieces.iter().any(|piece| piece.overlaps(other)));
        assert_eq!(twice, None, "{block:?} is somebody else's");
        used.extend(&pieces);
        drop(used);
        self.held.push(Held { block, pieces, uses: BTreeSet::new() });
    }

    fn give_back(&mut self, Held { block, pieces, .. }: Held) {
        let mut used = lock(&self.common.used);
        for piece in pieces {
            let at = used.iter().position(|&other| other == piece).unwrap();
            used.swap_remove(at);
        }
        drop(used);
        self.front.free(block).unwrap();
    }

    fn take_one(&mut self) -> Option<Held> {
        let count = self.held.len() as u64;
        let which = usize::try_from(self.below(count.max(1))).unwrap();
        (0 < count).then(|| self.held.swap_remove(which))
    }

    fn give_back_one(&mut self) {
        if let Some(held) = self.take_one() {
            self.give_back(held);
        }
    }

    /// Leaves a block to whoever comes by, if no stream of this thread's has to be told of it.
    fn leave(&mut self) {
        match self.take_one() {
            Some(held) if held.uses.is_empty() => lock(&self.common.left).push(held),
            other => self.held.extend(other),
        }
    }

    fn find(&mut self) {
        let found = lock(&self.common.left).pop();
        if let Some(held) = found {
            self.give_back(held);
        }
    }

    fn use_on(&mut self, stream: StreamId) {
        let Some(mut held) = self.take_one() else { return };
        self.common.device.with(|device| {
            device.sim.make_stream(stream);
            device.queue(stream, held.block.extent());
        });
        held.block.record_stream(stream);
        held.uses.insert(stream);
        self.held.push(held);
    }

    fn end_stream(&mut self, stream: StreamId) {
        let (used, rest) = self.held.drain(..).partition(|held| held.uses.contains(&stream));
        self.held = rest;
        let used: Vec<Held> = used;
        for held in used {
            self.give_back(held);
        }
        self.common.device.with(|device| device.sim.make_stream(stream));
        assert_eq!(self.common.allocator.end_stream(stream), Ok(()));
        self.common.device.with(|device| device.sim.destroy_stream(stream));
    }
}

#[test]
fn streams_and_pools_of_threads_end() {
    for round in 0..u64::from(cases(20)) {
        let device = Locked::new(Watched::new(Bytes::mib(48), u64::MAX));
        let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
        let (used, left) = (Mutex::default(), Mutex::default());
        let common = Common { allocator, device, used, left };
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (front, random) = (common.allocator.front(), THREADS * round + number);
                let worker = Worker { common: &common, front, number, random, held: Vec::new() };
                scope.spawn(|| worker.run(2000));
            }
        });
        let Common { allocator, device, left, .. } = common;
        let mut front = allocator.front();
        for held in lock(&left).drain(..) {
            front.free(held.block).unwrap();
        }
        drop(front);
        for thread in 0..THREADS {
            allocator.end_pool(pool_of(thread));
        }
        for stream in (0..2 * THREADS).map(StreamId) {
            device.with(|device| device.sim.make_stream(stream));
            assert_eq!(allocator.end_stream(stream), Ok(()));
        }
        assert_eq!(allocator.trim(Bytes::ZERO), Ok(()));
        assert_eq!(allocator.check_invariants(), Ok(()));
        device.with(|device| {
            assert_eq!(device.complaint, None);
            let left = (device.given(), device.reserved, device.sim.events());
            assert_eq!(left, (Bytes::ZERO, 0, 0), "memory, addresses, events");
        });
    }
}
