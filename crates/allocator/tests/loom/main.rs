//! Every order in which threads can meet in the shared books, tried by a model checker.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p gapless-allocator --test loom
//! ```
//!
//! A thread can be overtaken wherever it takes or leaves a lock: so at each call of the device, for
//! which the books are out of hand, and between the books and a front.

#![cfg(loom)]
#![expect(clippy::print_stdout, reason = "the number of orders is worth reading")]
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "../gapless/watched.rs"]
#[allow(dead_code, reason = "other tests look at more of it")]
mod watched;

mod driver_state;

use gapless_allocator::SharedBlock as Block;
use gapless_allocator::{AllocationError, SharedAllocator, Slack, ThreadFront};
use gapless_device::{Completion, Faulty, Locked, SharedDevice, Sim, SimSetup};
use gapless_trace::FinalSegment;
use gapless_units::{Bytes, KIB, PoolId, StreamId};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

type Front = ThreadFront<Locked<Sim>>;

const COMPUTE: StreamId = StreamId(0);
const COPY: StreamId = StreamId(1);

/// A device of so many pages whose work is done when it is told or waited for.
fn device(pages: u64) -> Locked<Sim> {
    let completion = Completion::WhenTold;
    Locked::new(Sim::new(SimSetup { completion, ..SimSetup::new(Bytes::mib(2 * pages)) }))
}

/// Runs a model in every order of its threads, or in all in which no more than so many times one is
/// overtaken that could have gone on.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = preemptions;
    let tried = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&tried);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let tried = tried.load(Ordering::Relaxed);
    println!("{tried} orders");
    // Threads that cannot overtake each other would show nothing.
    assert!(4 < tried);
}

/// Whatever happened, the books are sound, and all of the memory goes back.
fn check_end<D: SharedDevice>(allocator: &SharedAllocator<D>, device: &D) {
    allocator.check_invariants().unwrap();
    assert_eq!(allocator.statistics().allocation.all.current, 0);
    allocator.process_events().unwrap();
    allocator.trim(Bytes::ZERO).unwrap();
    allocator.check_invariants().unwrap();
    let memory = device.memory();
    assert_eq!(memory.free, memory.total);
}

/// Explores a model of an allocator over a device of so many pages.
fn check(
    preemptions: Option<usize>,
    pages: u64,
    model: impl Fn(SharedAllocator<Locked<Sim>>, Locked<Sim>) + Send + Sync + 'static,
) {
    explore(preemptions, move || {
        let device = device(pages);
        let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
        model(allocator.clone(), device.clone());
        device.with(Sim::finish_all_work);
        check_end(&allocator, &device);
    });
}

/// A block of so many kibibytes, or none where the device has no room.
fn take(front: &mut Front, kib: u64, stream: StreamId) -> Option<Block> {
    match front.allocate(Bytes::new(kib * KIB), stream) {
        Ok(block) => Some(block),
        Err(AllocationError::OutOfMemory { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Two threads take pages at the same time, from each other's too.
#[test]
fn threads_take_pages_at_once() {
    check(None, 4, |allocator, _| {
        let mut first = allocator.front();
        let free = take(&mut first, 4096, COMPUTE).unwrap();
        let guard = take(&mut first, 1024, COMPUTE).unwrap();
        first.free(free).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            let block = take(&mut front, 3072, COMPUTE);
            block.map(|block| front.free(block).unwrap());
        });
        // Both fit one after the other; at once one of them may have to wait for the other's
        // pages, which come back, or is refused because they are in use.
        let block = take(&mut first, 5120, COMPUTE);
        block.map(|block| first.free(block).unwrap());
        thread.join().unwrap();
        first.free(guard).unwrap();
    });
}

/// Three threads each want two of three pages. None is refused though two want them at once: who
/// comes too late waits, in vain only where the pages are held.
#[test]
fn three_threads_are_short() {
    // All orders of three threads would take days.
    check(Some(2), 3, |allocator, _| {
        let threads = [(); 2].map(|()| {
            let allocator = allocator.clone();
            thread::spawn(move || {
                let mut front = allocator.front();
                let block = take(&mut front, 4096, COMPUTE);
                block.map(|block| front.free(block).unwrap()).is_some()
            })
        });
        let mut front = allocator.front();
        let block = take(&mut front, 4096, COMPUTE);
        let mut met = vec![block.is_some()];
        block.map(|block| front.free(block).unwrap());
        met.extend(threads.map(|thread| thread.join().unwrap()));
        // Whatever the order, the pages were had by one at least.
        assert!(met.contains(&true));
        let last = take(&mut front, 6144, COMPUTE).unwrap();
        front.free(last).unwrap();
    });
}

/// What is counted is of one instant: a block that one front hands out and another keeps is not
/// missed at both looks, nor found at both.
#[test]
fn counts_are_of_one_instant() {
    check(None, 4, |allocator, _| {
        let [mut first, mut second] = [allocator.front(), allocator.front()];
        let kept = take(&mut first, 64, COMPUTE).unwrap();
        first.free(kept).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || other.statistics());
        let block = take(&mut first, 64, COMPUTE).unwrap();
        second.free(block).unwrap();
        let statistics = thread.join().unwrap();
        assert!(statistics.allocation.all.current <= 1);
        assert!(statistics.allocated_bytes.all.current <= 64 * KIB);
    });
}

/// Two requests that cannot be met give back what they gathered, at the same time.
#[test]
fn two_threads_fail() {
    // A request fails only after many calls: all of their orders would take hours.
    check(Some(3), 3, |allocator, _| {
        let mut front = allocator.front();
        let held = take(&mut front, 2048, COMPUTE).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            assert!(take(&mut front, 6144, COMPUTE).is_none());
        });
        assert!(take(&mut front, 6144, COMPUTE).is_none());
        thread.join().unwrap();
        front.free(held).unwrap();
    });
}

/// A thread's front is full, so that each free makes another block go: that one is free for others
/// all the while.
#[test]
fn a_full_front_hides_nothing() {
    check(Some(2), 3, |allocator, _| {
        let mut front = allocator.front();
        let mut blocks: Vec<Block> =
            (0..18).map(|_| take(&mut front, 256, COMPUTE).unwrap()).collect();
        // The last two lie in the third page, of which one stays.
        let (held, last) = (blocks.pop().unwrap(), blocks.pop().unwrap());
        for block in blocks {
            front.free(block).unwrap();
        }
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            let block = take(&mut front, 4096, COMPUTE).unwrap();
            front.free(block).unwrap();
        });
        front.free(last).unwrap();
        thread.join().unwrap();
        front.free(held).unwrap();
    });
}

/// A call of the device fails for one thread while another is served.
#[test]
fn a_fault_meets_a_request() {
    for fault in 1..=10 {
        explore(Some(2), move || {
            let setup = SimSetup::new(Bytes::mib(8));
            let mut faulty = Faulty::new(Sim::new(setup));
            faulty.fail(fault..fault + 1);
            let device = Locked::new(faulty);
            let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
            let other = allocator.clone();
            let thread = thread::spawn(move || {
                let mut front = other.front();
                let block = front.allocate(Bytes::mib(4), COMPUTE);
                block.map(|block| front.free(block).unwrap()).is_ok()
            });
            let mut front = allocator.front();
            let block = front.allocate(Bytes::mib(4), COMPUTE);
            let met = block.map(|block| front.free(block).unwrap()).is_ok();
            // One call failed, so one request at most.
            assert!(thread.join().unwrap() || met);
            allocator.check_invariants().unwrap();
            device.with(|device| device.fail(0..0));
            check_end(&allocator, &device);
        });
    }
}

/// A stream ends while another thread is about to wait for it: who destroys it then does so after
/// that wait.
#[test]
fn a_stream_ends_while_it_is_waited_for() {
    check(Some(3), 2, |allocator, device| {
        let mut front = allocator.front();
        let block = take(&mut front, 2048, COPY).unwrap();
        front.free(block).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || other.trim(Bytes::ZERO).unwrap());
        allocator.end_stream(COPY).unwrap();
        device.with(|sim| sim.destroy_stream(COPY));
        thread.join().unwrap();
    });
}

/// A pool ends while a request from it is served, and another arena takes the place of the next that
/// is gone: each block is of the pool that it was asked from.
#[test]
fn a_pool_ends_while_it_is_asked() {
    let pools = [PoolId(0, 1), PoolId(0, 2)];
    check(Some(3), 4, move |allocator, _| {
        let [mut first, mut second] = [allocator.front(), allocator.front()];
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            other.end_pool(pools[0]);
            other.trim(Bytes::ZERO).unwrap();
            second.allocate_in(pools[1], Bytes::mib(2), COPY).unwrap()
        });
        let mine = first.allocate_in(pools[0], Bytes::mib(2), COMPUTE).unwrap();
        let blocks = [mine, thread.join().unwrap()];
        let segments = allocator.segments();
        for (block, pool) in blocks.into_iter().zip(pools) {
            let at = block.extent().start();
            let holds =
                |segment: &&FinalSegment| segment.addr <= at && at < segment.addr + segment.size;
            assert_eq!(segments.iter().find(holds).unwrap().pool, pool);
            first.free(block).unwrap();
        }
        pools.into_iter().for_each(|pool| allocator.end_pool(pool));
    });
}

/// What lies in another thread's front is free for whoever is short.
#[test]
fn whoever_is_short_empties_the_fronts() {
    check(None, 1, |allocator, _| {
        let mut first = allocator.front();
        let mut blocks = Vec::from([0; 8].map(|_| take(&mut first, 256, COMPUTE).unwrap()));
        let last = blocks.pop().unwrap();
        for block in blocks {
            first.free(block).unwrap();
        }
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            front.free(last).unwrap();
            // All are free now, and one page is all there is.
            let large = take(&mut front, 2048, COMPUTE).unwrap();
            front.free(large).unwrap();
        });
        drop(first);
        thread.join().unwrap();
    });
}

/// One thread waits for an event that another sees complete; it is dropped once.
#[test]
fn an_event_is_waited_for_and_asked_about() {
    check(None, 2, |allocator, device| {
        let mut first = allocator.front();
        let mut block = take(&mut first, 4096, COMPUTE).unwrap();
        block.record_stream(COPY);
        first.free(block).unwrap();
        let is_told = Arc::new(AtomicBool::new(false));
        let (other, told) = (allocator.clone(), Arc::clone(&is_told));
        let thread = thread::spawn(move || {
            told.store(true, Ordering::Release);
            device.with(|sim| sim.finish_work_on(COPY));
            other.process_events().unwrap();
        });
        let block = take(&mut first, 4096, COMPUTE).unwrap();
        first.free(block).unwrap();
        thread.join().unwrap();
        assert!(is_told.load(Ordering::Acquire));
    });
}

/// A block freed by another thread comes back to whichever asks first, and is had by one.
#[test]
fn a_block_is_had_by_one() {
    check(None, 2, |allocator, _| {
        let mut first = allocator.front();
        let block = take(&mut first, 64, COMPUTE).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            front.free(block).unwrap();
            take(&mut front, 64, COMPUTE)
        });
        let mine = take(&mut first, 64, COMPUTE).unwrap();
        let theirs = thread.join().unwrap().unwrap();
        assert!(!mine.extent().overlaps(theirs.extent()));
        first.free(mine).unwrap();
        first.free(theirs).unwrap();
    });
}

/// Pages go back to the device while another thread takes some.
#[test]
fn trimming_meets_requests() {
    check(None, 3, |allocator, _| {
        let mut first = allocator.front();
        let block = take(&mut first, 4096, COMPUTE).unwrap();
        first.free(block).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || other.trim(Bytes::ZERO).unwrap());
        let block = take(&mut first, 6144, COMPUTE).unwrap();
        first.free(block).unwrap();
        thread.join().unwrap();
    });
}

/// Of many pages that go back one after the other, those whose turn has not come are there for a
/// request on another stream.
#[test]
fn trimming_many_pages_refuses_nobody() {
    check(Some(5), 6, |allocator, _| {
        let mut first = allocator.front();
        let block = take(&mut first, 12288, COMPUTE).unwrap();
        first.free(block).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || other.trim(Bytes::ZERO).unwrap());
        let block = take(&mut first, 12288, COPY).unwrap();
        first.free(block).unwrap();
        thread.join().unwrap();
    });
}

/// A page goes back whose old address another thread is about to map another page at.
#[test]
fn trimming_meets_an_alias_in_the_way() {
    check(Some(4), 6, |allocator, _| {
        let mut first = allocator.front();
        let before = take(&mut first, 4096, COMPUTE).unwrap();
        let guard = take(&mut first, 2048, COMPUTE).unwrap();
        first.free(before).unwrap();
        // Its pages come from where `before` was and stay mapped there.
        let moved = take(&mut first, 6144, COMPUTE).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            front.free(moved).unwrap();
            other.trim(Bytes::ZERO).unwrap();
        });
        let again = take(&mut first, 4096, COMPUTE).unwrap();
        first.free(again).unwrap();
        first.free(guard).unwrap();
        thread.join().unwrap();
    });
}
