//! What the books see of a program that threads serve from fronts of their own.

use gapless_device::{Device, Locked, Sim, SimSetup};
use gapless_units::{Bytes, KIB, StreamId};

use super::{SharedAllocator, ThreadFront};
use crate::gapless::Slack;
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
