//! What the books see of a program that threads serve from fronts of their own.

use gapless_device::{Completion, Device, Locked, Sim, SimSetup};
use gapless_units::{Bytes, KIB, StreamId};

use super::{SharedAllocator, ThreadFront};
use crate::gapless::Slack;
use crate::gapless::hold::Hold;
use crate::gapless::turns::{Asked, Numbers, turn};

type Front = ThreadFront<Locked<Sim>>;

fn allocator() -> (SharedAllocator<Locked<Sim>>, Locked<Sim>) {
    let device = Locked::new(Sim::new(SimSetup::new(Bytes::gib(8))));
    (SharedAllocator::new(device.clone(), Slack::NONE, ()), device)
}

/// A thread that takes turns.
struct Thread {
    front: Front,
    /// What is held, with the number of the request before which it is freed.
    held: Vec<(usize, super::Block)>,
    requests: usize,
}

impl Thread {
    fn take(&mut self, turns: usize, turn: &[Asked]) {
        for &Asked { size, life } in turn.iter().cycle().take(turns * turn.len()) {
            self.free_until(self.requests);
            let block = self.front.allocate(size, StreamId(0)).unwrap();
            self.held.push((self.requests + life, block));
            self.requests += 1;
        }
    }

    fn free_until(&mut self, request: usize) {
        for (_, block) in self.held.extract_if(.., |&mut (end, _)| end <= request) {
            assert!(self.front.free(block).is_ok());
        }
    }
}

#[test]
fn the_books_see_all_of_a_restless_program_and_plan_it() {
    let turn = turn(&mut Numbers(1), 150);
    let (allocator, device) = allocator();
    let maps = || device.with(|sim| sim.calls().granules_mapped);
    let mut thread = Thread { front: allocator.front(), held: Vec::new(), requests: 0 };
    thread.take(20, &turn);
    assert!(allocator.books.state().are_shut, "pages moved");
    let restless = maps();
    thread.take(20, &turn);
    assert!(restless < maps(), "a tame program");
    thread.take(160, &turn);
    let settled = maps();
    thread.take(10, &turn);
    assert_eq!(maps(), settled, "pages mapped with a plan");
    assert!(allocator.books.state().are_shut, "a plan needs to see all");
    thread.free_until(usize::MAX);
    drop(thread);
    assert_eq!(allocator.trim(Bytes::ZERO), Ok(()));
    assert_eq!(device.memory().free, device.memory().total);
}

#[test]
fn threads_serve_themselves_where_nothing_moves() {
    let (allocator, _) = allocator();
    let turn: Vec<Asked> =
        (1..100).map(|at| Asked { size: Bytes::new(at * KIB), life: 3 }).collect();
    let mut thread = Thread { front: allocator.front(), held: Vec::new(), requests: 0 };
    thread.take(20, &turn);
    assert!(!allocator.books.state().are_shut);
    thread.free_until(usize::MAX);
}

/// Two threads that free each other's blocks: of what each has counted only the sum is true.
#[test]
fn blocks_that_change_threads_are_counted_once() {
    let (allocator, _) = allocator();
    let (mut first, mut second) = (allocator.front(), allocator.front());
    let stream = StreamId(0);
    for round in 0..6 {
        let one = first.allocate(Bytes::new(1), stream).unwrap();
        assert!(second.free(one).is_ok());
        let all = second.allocate(Bytes::new(512), stream).unwrap();
        let requested = allocator.statistics().requested_bytes.all;
        assert_eq!((requested.current, requested.peak), (512, 512));
        assert!(first.free(all).is_ok());
        assert_eq!(allocator.statistics().requested_bytes.all.current, 0);
        if round == 3 {
            first = allocator.front();
        }
    }
    drop((first, second));
    let block = allocator.front().allocate(Bytes::mib(2), stream).unwrap();
    assert_eq!(allocator.usage().requested, Bytes::mib(2));
    assert!(allocator.front().free(block).is_ok());
}

/// However long the others go on giving back, a request that finds nothing ends.
#[test]
fn a_request_is_not_searched_for_without_end() {
    let (allocator, _) = allocator();
    let _others = [(); 3].map(|()| allocator.front());
    let searches = allocator.hold(|hold| {
        let again = (0..1000).take_while(|_| {
            hold.books().clock.pass();
            hold.may_search_again()
        });
        again.count()
    });
    assert_eq!(searches, 4, "one, and one for each of the others");
}

/// What threads keep is free, and goes back at once.
#[test]
fn what_threads_keep_is_trimmed_on_a_device_that_lags() {
    let completion = Completion::WhenTold;
    let setup = SimSetup { completion, ..SimSetup::new(Bytes::gib(1)) };
    let device = Locked::new(Sim::new(setup));
    let allocator = SharedAllocator::new(device, Slack::NONE, ());
    let mut front = allocator.front();
    let blocks = [(); 8].map(|()| front.allocate(Bytes::new(256 * KIB), StreamId(0)).unwrap());
    for block in blocks {
        assert!(front.free(block).is_ok());
    }
    assert_eq!(allocator.trim(Bytes::ZERO), Ok(()));
    assert_eq!(allocator.reserved(), Bytes::ZERO);
}

/// A thread keeps blocks of a stream that is over. When it asks for the next, the stream is another.
#[test]
fn threads_learn_that_a_stream_is_over() {
    let (allocator, _) = allocator();
    let (mut front, stream) = (allocator.front(), StreamId(7));
    let kept = front.allocate(Bytes::new(KIB), stream).unwrap();
    let arena = kept.arena;
    let is_over = || allocator.books.state().books.arenas[arena].stream_is_over;
    assert!(front.free(kept).is_ok());
    assert_eq!(allocator.end_stream(stream), Ok(()));
    assert!(is_over());
    let again = front.allocate(Bytes::new(KIB), stream).unwrap();
    assert!(again.arena == arena && !is_over());
    assert!(front.free(again).is_ok());
    drop(front);
    assert_eq!(allocator.trim(Bytes::ZERO), Ok(()));
    assert_eq!(allocator.reserved(), Bytes::ZERO);
    assert_eq!(allocator.check_invariants(), Ok(()));
}

/// What threads keep is no peak.
#[test]
fn peaks_begin_anew() {
    let (allocator, _) = allocator();
    let mut front = allocator.front();
    let blocks = [(); 4].map(|()| front.allocate(Bytes::new(256 * KIB), StreamId(0)).unwrap());
    let large = front.allocate(Bytes::mib(8), StreamId(0)).unwrap();
    for block in blocks.into_iter().chain([large]) {
        assert!(front.free(block).is_ok());
    }
    assert_eq!(allocator.usage().active_peak, Bytes::mib(9));
    let reserved = allocator.usage().reserved_peak;
    assert_eq!(allocator.trim(Bytes::mib(4)), Ok(()));
    assert_eq!(allocator.usage().reserved_peak, reserved);
    allocator.reset_peaks();
    let usage = allocator.usage();
    assert_eq!((usage.active_peak, usage.reserved_peak), (Bytes::ZERO, Bytes::mib(4)));
}
