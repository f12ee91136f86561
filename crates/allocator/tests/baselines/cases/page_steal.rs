//! Whole granules that move.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{PageSteal, PageStealSettings};
use gapless_units::{Bytes, Extent, KIB};

use crate::bench::{Bench, COMPUTE, COPY};

const MIB: u64 = KIB;

fn bench(mib: u64) -> Bench<PageSteal> {
    Bench::lagging(mib, PageStealSettings)
}

#[test]
fn free_granules_move_and_their_old_addresses_are_unmapped_when_work_is_done() {
    let mut bench = bench(10);
    let left = bench.take(4 * MIB, COMPUTE);
    let _held = bench.take(2 * MIB, COMPUTE);
    let right = bench.take(4 * MIB, COMPUTE);
    bench.give(left);
    bench.give(right);
    let before = bench.calls();
    let moved = bench.take(8 * MIB, COMPUTE);
    let after = bench.calls();
    assert_eq!((after.create - before.create, after.map - before.map), (0, 4));
    assert_eq!((after.unmap - before.unmap, bench.kib(moved)), (0, 10 * MIB));
    // The work that used the old addresses is not done, so they stay mapped.
    assert_eq!(bench.it.process_events(), Ok(()));
    assert_eq!(bench.calls().unmap, before.unmap);
    bench.finish(COMPUTE);
    assert_eq!(bench.it.process_events(), Ok(()));
    assert_eq!(bench.calls().unmap, before.unmap + 2);
    assert_eq!((bench.reserved_mib(), bench.it.stalls()), (10, 0));
}

#[test]
fn only_the_difference_is_created() {
    let mut bench = bench(64);
    let free = bench.take(4 * MIB, COMPUTE);
    let _held = bench.take(2 * MIB, COMPUTE);
    bench.give(free);
    let before = bench.calls();
    let _large = bench.take(10 * MIB, COMPUTE);
    let after = bench.calls();
    assert_eq!((after.create - before.create, after.map - before.map), (3, 5));
    assert_eq!(bench.reserved_mib(), 12);
}

#[test]
fn granules_that_are_free_longest_move_first() {
    let mut bench = bench(64);
    let held: Vec<_> = (0..6).map(|_| bench.take(2 * MIB, COMPUTE)).collect();
    let starts: Vec<_> = held.iter().map(|&block| bench.start(block)).collect();
    for place in [2, 0, 4] {
        bench.give(held[place]);
    }
    let _moved = bench.take(4 * MIB, COMPUTE);
    // What is left is the granule that became free last.
    let before = bench.calls();
    let left = bench.take(2 * MIB, COMPUTE);
    assert_eq!(bench.start(left), starts[4]);
    assert_eq!(bench.calls(), before);
}

#[test]
fn the_own_stream_comes_before_a_tighter_fit_elsewhere() {
    let mut bench = bench(64);
    let (own, other) = (bench.take(8 * MIB, COMPUTE), bench.take(4 * MIB, COPY));
    let start = bench.start(own);
    bench.give(own);
    bench.give(other);
    bench.finish(COPY);
    let block = bench.take(4 * MIB, COMPUTE);
    assert_eq!(bench.start(block), start);
}

#[test]
fn what_another_stream_still_uses_is_waited_for_only_where_the_device_has_no_more() {
    let mut bench = bench(8);
    let other = bench.take(4 * MIB, COPY);
    bench.give(other);
    let _new = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.reserved_mib(), bench.it.stalls()), (8, 0));
    let _waited = bench.take(4 * MIB, COMPUTE);
    assert_eq!((bench.reserved_mib(), bench.it.stalls()), (8, 1));
}

#[test]
fn requests_are_rounded_to_granules_and_small_ones_are_not() {
    let mut bench = bench(64);
    let (large, small) = (bench.take(2 * MIB + 1, COMPUTE), bench.take(2 * MIB - 1, COMPUTE));
    assert_eq!((bench.size_kib(large), bench.size_kib(small)), (4 * MIB, 2 * MIB - 1));
    let calls = bench.calls();
    assert_eq!((calls.create, calls.allocate), (2, 1));
    assert_eq!(bench.it.statistics().segment.all.current, 1);
    assert_eq!(bench.it.extent(large).map(Extent::size), Some(Bytes::mib(4)));
}
