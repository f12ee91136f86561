//! Streams do their work in order, events and waits see how far they are, and waits are real.

#![expect(clippy::disallowed_methods, reason = "waits are for other threads")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gapless_device::{Device, Pace};

use crate::block::{FIRST, SECOND, block, extent, finish, granules, host, host_with};

#[test]
fn a_stream_does_its_work_in_order() {
    let mut host = host(4);
    let (one, _) = block(&mut host, 2);
    let (two, _) = block(&mut host, 2);
    for seed in 0..20 {
        host.fill(FIRST, one, seed).unwrap();
        host.check(FIRST, one, seed).unwrap();
        host.copy(FIRST, one, two.start()).unwrap();
        host.fill(FIRST, one, seed + 1).unwrap();
        host.check(FIRST, two, seed).unwrap();
    }
    finish(&mut host, FIRST);
}

#[test]
fn an_event_is_complete_when_the_work_before_it_is() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 1);
    host.fill(FIRST, block, 1).unwrap();
    let before = host.record_event(FIRST).unwrap();
    let gate = host.hold(FIRST).unwrap();
    let held = host.record_event(FIRST).unwrap();
    host.fill(FIRST, block, 2).unwrap();
    let after = host.record_event(FIRST).unwrap();
    host.wait_for_event(before).unwrap();
    assert!(host.is_complete(before).unwrap());
    assert!(!host.is_complete(held).unwrap());
    assert!(!host.is_complete(after).unwrap());

    // Another stream does not care, and finds what was written so far.
    host.check(SECOND, block, 1).unwrap();
    finish(&mut host, SECOND);
    gate.open();
    host.wait_for_event(after).unwrap();
    assert!(host.is_complete(held).unwrap() && host.is_complete(after).unwrap());
    host.check(SECOND, block, 2).unwrap();
    finish(&mut host, SECOND);
    host.drop_event(after).unwrap();
    host.is_complete(after).unwrap_err();
}

#[test]
fn a_stream_waits_for_anothers_event() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 1);
    let gate = host.hold(FIRST).unwrap();
    host.fill(FIRST, block, 1).unwrap();
    let written = host.record_event(FIRST).unwrap();
    host.make_wait(SECOND, written).unwrap();
    // An event may be forgotten while a stream waits for it.
    host.drop_event(written).unwrap();
    host.check(SECOND, block, 1).unwrap();
    let checked = host.record_event(SECOND).unwrap();
    assert!(!host.is_complete(checked).unwrap());
    drop(gate);
    host.wait_for_event(checked).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn a_wait_lasts_until_the_work_is_done() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 1);
    let gate = host.hold(FIRST).unwrap();
    host.fill(FIRST, block, 1).unwrap();
    let event = host.record_event(FIRST).unwrap();
    let reading = host.read(FIRST, extent(block.start(), 8)).unwrap();
    let is_open = AtomicBool::new(false);
    thread::scope(|scope| {
        let waits: [Box<dyn FnOnce() + Send>; 3] = [
            Box::new(|| host.clone().wait_for_event(event).unwrap()),
            Box::new(|| host.clone().wait_for_stream(FIRST).unwrap()),
            Box::new(|| drop(reading.wait().unwrap())),
        ];
        for wait in waits {
            scope.spawn(|| {
                wait();
                assert!(is_open.load(Ordering::SeqCst), "it waited for nothing");
            });
        }
        is_open.store(true, Ordering::SeqCst);
        gate.open();
    });
    finish(&mut host, FIRST);
}

#[test]
fn lagging_streams_do_what_is_waited_for() {
    let mut host = host_with(4, Pace::WhenAwaited);
    let (block, _) = block(&mut host, 1);
    let mut events = Vec::new();
    for seed in 0..4 {
        host.fill(FIRST, block, seed).unwrap();
        events.push(host.record_event(FIRST).unwrap());
    }
    assert_eq!(events.iter().filter(|&&event| host.is_complete(event).unwrap()).count(), 0);
    host.wait_for_event(events[1]).unwrap();
    let complete: Vec<bool> =
        events.iter().map(|&event| host.is_complete(event).unwrap()).collect();
    assert_eq!(complete, [true, true, false, false]);
    host.check(SECOND, block, 1).unwrap();
    finish(&mut host, SECOND);
    host.check(FIRST, block, 3).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn a_wait_lets_all_lagging_streams_go_on_that_it_needs() {
    let mut host = host_with(4, Pace::WhenAwaited);
    let (block, _) = block(&mut host, 1);
    let third = gapless_units::StreamId(3);
    host.fill(FIRST, block, 1).unwrap();
    let filled = host.record_event(FIRST).unwrap();
    host.fill(FIRST, block, 2).unwrap();
    host.make_wait(SECOND, filled).unwrap();
    host.check(SECOND, block, 1).unwrap();
    let checked = host.record_event(SECOND).unwrap();
    host.make_wait(third, checked).unwrap();
    let reading = host.read(third, extent(block.start(), 8)).unwrap();
    reading.wait().unwrap();
    assert!(host.is_complete(filled).unwrap() && host.is_complete(checked).unwrap());
    assert_eq!(host.complaints(), []);
    host.wait_for_device().unwrap();
    host.check(FIRST, block, 2).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn a_free_waits_for_the_device() {
    let mut host = host_with(4, Pace::WhenAwaited);
    let addr = host.allocate(granules(1)).unwrap();
    host.fill(FIRST, extent(addr, 100), 1).unwrap();
    host.check(SECOND, extent(addr, 0), 1).unwrap();
    let event = host.record_event(SECOND).unwrap();
    host.free(addr).unwrap();
    assert!(host.is_complete(event).unwrap());
    finish(&mut host, FIRST);
}

#[test]
fn a_device_ends_with_work_undone() {
    for pace in [Pace::AtOnce, Pace::WhenAwaited] {
        let mut host = host_with(4, pace);
        let (block, _) = block(&mut host, 1);
        let gate = host.hold(FIRST).unwrap();
        let event = host.record_event(FIRST).unwrap();
        host.make_wait(SECOND, event).unwrap();
        host.fill(SECOND, block, 1).unwrap();
        let reading = host.read(FIRST, block).unwrap();
        drop(host);
        drop(reading);
        drop(gate);
    }
}
