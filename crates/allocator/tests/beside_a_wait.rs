//! While one thread waits for work, the others have all that is theirs.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]
#![expect(clippy::disallowed_methods, reason = "it is about threads")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gapless_allocator::{SharedAllocator, SharedBlock, Slack, ThreadFront};
use gapless_device::{Gate, Host, HostSetup};
use gapless_units::{Bytes, StreamId};

/// How long a thread has to begin to wait. Where that is not enough the tests show less.
const BEGIN: Duration = Duration::from_millis(100);

/// How often a third thread takes a page and gives it back.
const TURNS: u64 = 2000;

/// When a thread counts as stuck.
const STUCK: Duration = Duration::from_secs(10);

const OWN: StreamId = StreamId(1);
const OTHER: StreamId = StreamId(2);

fn mib(count: u64) -> Bytes {
    Bytes::mib(count)
}

fn allocator() -> (Host, SharedAllocator<Host>) {
    let host = Host::new(HostSetup::new(mib(64))).unwrap();
    (host.clone(), SharedAllocator::new(host, Slack::NONE, ()))
}

/// Frees a block that another stream uses until the gate is opened.
fn free_behind_gate(host: &Host, front: &mut ThreadFront<Host>, mut block: SharedBlock) -> Gate {
    let gate = host.hold(OTHER).unwrap();
    block.record_stream(OTHER);
    front.free(block).unwrap();
    gate
}

#[test]
fn what_is_done_is_served_though_somebody_waits_for_more() {
    let (host, allocator) = allocator();
    let mut front = allocator.front();
    let blocks = [8, 32].map(|size| front.allocate(mib(size), OWN).unwrap());
    let _rest = front.allocate(mib(24), OWN).unwrap();
    let [early, late] = blocks.map(|block| free_behind_gate(&host, &mut front, block));
    thread::scope(|scope| {
        let large = scope.spawn(|| allocator.front().allocate(mib(30), OWN).map(drop));
        thread::sleep(BEGIN);
        let (tell, told) = mpsc::channel();
        let allocator = &allocator;
        let small = scope.spawn(move || {
            let answer = allocator.front().allocate(mib(4), OWN).map(drop);
            tell.send(()).unwrap();
            answer
        });
        thread::sleep(BEGIN);
        early.open();
        let is_served = told.recv_timeout(STUCK).is_ok();
        late.open();
        assert!(is_served, "it waited for what somebody else waits for");
        assert_eq!((small.join().unwrap(), large.join().unwrap()), (Ok(()), Ok(())));
    });
    assert_eq!(allocator.check_invariants(), Ok(()));
}

/// What one request waits for the next one waits for as well, whatever a third thread does meanwhile.
#[test]
fn what_is_waited_for_is_not_missing() {
    let (host, allocator) = allocator();
    let mut front = allocator.front();
    let large = front.allocate(mib(40), OWN).unwrap();
    let _rest = front.allocate(mib(22), OWN).unwrap();
    let gate = free_behind_gate(&host, &mut front, large);
    thread::scope(|scope| {
        let request = || allocator.front().allocate(mib(4), OWN).map(drop);
        let first = scope.spawn(request);
        thread::sleep(BEGIN);
        let second = scope.spawn(request);
        // The page that is left goes from stream to stream.
        for stream in (3..TURNS).map(StreamId) {
            if !second.is_finished()
                && let Ok(block) = front.allocate(mib(2), stream)
            {
                front.free(block).unwrap();
            }
        }
        gate.open();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(()), Ok(())));
    });
    assert_eq!(allocator.check_invariants(), Ok(()));
}

/// A trim waits for other streams that use what was freed.
#[test]
fn a_trim_waits_for_what_somebody_waits_for() {
    let (host, allocator) = allocator();
    let mut front = allocator.front();
    let large = front.allocate(mib(40), OWN).unwrap();
    let rest = front.allocate(mib(24), OWN).unwrap();
    let gate = free_behind_gate(&host, &mut front, large);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| allocator.front().allocate(mib(4), OWN).unwrap());
        thread::sleep(BEGIN);
        let trim = scope.spawn(|| allocator.trim(Bytes::ZERO));
        thread::sleep(BEGIN);
        let is_back = trim.is_finished();
        gate.open();
        assert!(!is_back, "the work goes on");
        assert_eq!(trim.join().unwrap(), Ok(()));
        front.free(waiting.join().unwrap()).unwrap();
    });
    front.free(rest).unwrap();
    assert_eq!(allocator.trim(Bytes::ZERO), Ok(()));
    assert_eq!(allocator.reserved(), Bytes::ZERO);
}
