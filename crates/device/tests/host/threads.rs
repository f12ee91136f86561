//! Several threads use clones of one device.

#![expect(clippy::disallowed_methods, reason = "it is about threads")]

use std::thread;

use gapless_device::{Device, Host};
use gapless_units::StreamId;

use crate::block::{FIRST, SECOND, block, extent, finish, granules, host, map};

/// Memory comes, is filled, moves and goes; all of it on one stream.
fn live(mut host: Host, stream: u64) {
    for round in 0..40 {
        let (seed, stream) = (1000 * stream + round, StreamId(stream));
        let (block, handle) = block(&mut host, 1 + round % 3);
        host.fill(stream, block, seed).unwrap();
        let filled = host.record_event(stream).unwrap();
        let alias = host.reserve(block.size()).unwrap();
        map(&mut host, alias, handle);
        host.check(stream, alias, seed).unwrap();
        host.wait_for_event(filled).unwrap();
        host.unmap(block).unwrap();
        host.release(handle).unwrap();
        host.check(stream, alias, seed).unwrap();
        let addr = host.allocate(granules(1)).unwrap();
        host.copy(stream, extent(alias.start(), 5000), addr).unwrap();
        host.check(stream, extent(addr, 5000), seed).unwrap();
        host.free(addr).unwrap();
        host.wait_for_stream(stream).unwrap();
        host.unmap(alias).unwrap();
        host.drop_event(filled).unwrap();
        for reservation in [block, alias] {
            host.unreserve(reservation).unwrap();
        }
    }
}

#[test]
fn threads_share_a_device() {
    let mut host = host(16);
    thread::scope(|scope| {
        for stream in 0..4 {
            let host = host.clone();
            scope.spawn(move || live(host, stream));
        }
    });
    finish(&mut host, FIRST);
    assert_eq!(host.memory().free, host.memory().total);
    assert_eq!(host.resident(), gapless_units::Bytes::ZERO);
}

#[test]
fn streams_that_race_give_wrong_bytes_and_no_fault() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 2);
    // At places that share words, though the two agree on nothing.
    let [even, odd] = [0, 3].map(|lead| {
        let start = block.start() + gapless_units::Bytes::new(lead);
        extent(start, block.size().get() - 16 - lead)
    });
    for seed in 0..10 {
        host.fill(FIRST, even, seed).unwrap();
        host.fill(SECOND, odd, seed + 100).unwrap();
    }
    host.wait_for_device().unwrap();
    assert_eq!(host.complaints(), []);
    host.fill(FIRST, block, 1).unwrap();
    host.check(FIRST, block, 1).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn handles_of_a_device_may_go_anywhere() {
    fn check<T: Clone + Send + Sync + 'static>(_: &T) {}
    check(&host(1));
}
