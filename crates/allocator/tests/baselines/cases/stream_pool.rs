//! A pool in the order of streams.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{StreamPool, StreamPoolSettings};
use gapless_units::{Bytes, KIB};

use crate::bench::{Bench, COMPUTE, COPY};

const MIB: u64 = KIB;

fn bench(mib: u64) -> Bench<StreamPool> {
    Bench::lagging(mib, StreamPoolSettings::default())
}

#[test]
fn memory_of_the_own_stream_comes_first_then_what_is_done_then_new() {
    let mut bench = bench(64);
    let (own, other) = (bench.take(4 * MIB, COMPUTE), bench.take(4 * MIB, COPY));
    let starts = [own, other].map(|block| bench.start(block));
    bench.give(own);
    bench.give(other);
    let first = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.start(first), bench.reserved_mib()), (starts[0], 8));
    // The other stream is not done, and the device has more.
    let second = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.kib(second), bench.reserved_mib()), (8 * MIB, 12));
    bench.finish(COPY);
    let third = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.start(third), bench.reserved_mib()), (starts[1], 12));
    assert_eq!(bench.it.stalls(), 0);
}

#[test]
fn pending_memory_is_waited_for_last_where_that_is_allowed() {
    let mut bench = bench(8);
    let other = bench.take(4 * MIB, COPY);
    bench.give(other);
    let _new = bench.take(4 * MIB, COMPUTE);
    assert_eq!(bench.it.stalls(), 0);
    let _waited = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.it.stalls(), bench.reserved_mib()), (1, 8));

    let settings = StreamPoolSettings { may_wait: false, ..StreamPoolSettings::default() };
    let mut bench = Bench::<StreamPool>::lagging(8, settings);
    let other = bench.take(8 * MIB, COPY);
    bench.give(other);
    assert!(bench.is_refused(4 * MIB, COMPUTE));
    assert_eq!(bench.it.stalls(), 0);
}

#[test]
fn what_is_done_elsewhere_is_left_alone_where_that_is_switched_off() {
    let settings = StreamPoolSettings {
        reuses_done: false,
        moves_memory: false,
        ..StreamPoolSettings::default()
    };
    let mut bench = Bench::<StreamPool>::lagging(64, settings);
    let other = bench.take(4 * MIB, COPY);
    bench.give(other);
    bench.finish(COPY);
    let _new = bench.take(4 * MIB, COMPUTE);
    assert_eq!(bench.reserved_mib(), 8);
}

#[test]
fn free_memory_goes_back_when_the_program_waited_for_the_device() {
    for (threshold, kept) in [(0, 4), (6, 6), (64, 10)] {
        let release_threshold = Bytes::mib(threshold);
        let settings = StreamPoolSettings { release_threshold, ..StreamPoolSettings::default() };
        let mut bench = Bench::<StreamPool>::lagging(64, settings);
        let free = bench.take(6 * MIB, COMPUTE);
        let _held = bench.take(4 * MIB, COMPUTE);
        bench.give(free);
        assert_eq!(bench.it.note_synchronized(), Ok(()));
        assert_eq!(bench.reserved_mib(), kept, "threshold {threshold} MiB");
    }
}

#[test]
fn free_granules_move_before_the_device_is_asked() {
    let mut bench = bench(64);
    let left = bench.take(4 * MIB, COMPUTE);
    let _held = bench.take(2 * MIB, COMPUTE);
    let right = bench.take(4 * MIB, COMPUTE);
    bench.give(left);
    bench.give(right);
    let before = bench.calls();
    let _moved = bench.take(8 * MIB, COMPUTE);
    let after = bench.calls();
    assert_eq!((after.create - before.create, after.map - before.map), (0, 4));
    assert_eq!(bench.reserved_mib(), 10);
}

#[test]
fn blocks_are_packed_below_the_granule() {
    let mut bench = bench(64);
    let blocks: Vec<_> = (0..4).map(|_| bench.take(1536, COMPUTE)).collect();
    let starts: Vec<_> = blocks.into_iter().map(|block| bench.kib(block)).collect();
    assert_eq!(starts, [0, 1536, 3072, 4608]);
    assert_eq!(bench.reserved_mib(), 6);
}
