//! Best fit with coalescing.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{Bfc, BfcSettings};
use gapless_units::KIB;

use crate::bench::{Bench, COMPUTE, COPY};

const MIB: u64 = KIB;

fn bench(mib: u64) -> Bench<Bfc> {
    Bench::new(mib, BfcSettings::default())
}

#[test]
fn a_block_is_cut_where_as_much_again_would_be_wasted() {
    let mut bench = bench(1024);
    // A region of 2 MiB: less than twice 1.5 MiB, so all of it is handed out.
    let whole = bench.take(1536, COMPUTE);
    assert_eq!((bench.size_kib(whole), bench.reserved_mib()), (2048, 2));
    bench.give(whole);
    let half = bench.take(1024, COMPUTE);
    assert_eq!(bench.size_kib(half), 1024);
}

#[test]
fn a_large_block_is_cut_where_128_mebibytes_would_be_wasted() {
    let mut bench = bench(4096);
    let region = bench.take(300 * MIB, COMPUTE);
    assert_eq!((bench.size_kib(region), bench.reserved_mib()), (300 * MIB, 512));
    bench.give(region);
    // Of 512 MiB, 128 MiB or more are left beside the first, and less beside the second.
    let cut = bench.take(384 * MIB, COMPUTE);
    assert_eq!(bench.size_kib(cut), 384 * MIB);
    bench.give(cut);
    let uncut = bench.take(385 * MIB, COMPUTE);
    assert_eq!(bench.size_kib(uncut), 512 * MIB);
}

#[test]
fn regions_double_and_the_last_is_what_the_device_has_left() {
    let mut bench = bench(32);
    let mut reserved = Vec::new();
    for _ in 0..5 {
        // As large as the next region: nothing of it is left over.
        let next = 2 << reserved.len();
        let _block = bench.take(MIB * next.min(2), COMPUTE);
        while bench.it.statistics().active_bytes.all.current
            < bench.it.statistics().reserved_bytes.all.current
        {
            let _fill = bench.take(2 * MIB, COMPUTE);
        }
        reserved.push(bench.reserved_mib());
    }
    assert_eq!(reserved, [2, 6, 14, 30, 32]);
}

#[test]
fn the_smallest_block_of_the_lowest_address_serves() {
    let mut bench = bench(1024);
    let blocks: Vec<_> = [256, 64, 100, 64, 100, 64].map(|kib| bench.take(kib, COMPUTE)).into();
    let starts: Vec<_> = blocks.iter().map(|&block| bench.kib(block)).collect();
    for place in [0, 4, 2] {
        bench.give(blocks[place]);
    }
    let first = bench.take(90, COMPUTE);
    let second = bench.take(90, COMPUTE);
    assert_eq!([first, second].map(|block| bench.kib(block)), [starts[2], starts[4]]);
    // Neither was cut: 10 KiB are less than 90.
    assert_eq!([first, second].map(|block| bench.size_kib(block)), [100, 100]);
}

#[test]
fn neighbors_merge() {
    let mut bench = bench(2);
    let blocks: Vec<_> = (0..4).map(|_| bench.take(512, COMPUTE)).collect();
    assert!(bench.is_refused(512, COMPUTE));
    for place in [1, 3, 2] {
        bench.give(blocks[place]);
    }
    let merged = bench.take(1536, COMPUTE);
    assert_eq!(bench.kib(merged), 512);
}

#[test]
fn free_regions_go_back_before_a_request_fails() {
    let mut bench = bench(8);
    let small = bench.take(2 * MIB, COMPUTE);
    bench.give(small);
    // 6 MiB are left on the device; the two regions together make one of 8 MiB.
    let large = bench.take(8 * MIB, COMPUTE);
    assert_eq!((bench.size_kib(large), bench.reserved_mib(), bench.it.stalls()), (8 * MIB, 8, 1));
    let settings = BfcSettings { returns_regions: false, ..BfcSettings::default() };
    let mut keeping = Bench::<Bfc>::new(8, settings);
    let small = keeping.take(2 * MIB, COMPUTE);
    keeping.give(small);
    assert!(keeping.is_refused(8 * MIB, COMPUTE));
}

#[test]
fn regions_double_again_from_what_is_left_when_the_cache_is_emptied() {
    let mut bench = bench(1024);
    let held = bench.take(4 * MIB, COMPUTE);
    let free = bench.take(8 * MIB, COMPUTE);
    bench.give(free);
    assert_eq!((bench.it.empty_cache(), bench.reserved_mib()), (Ok(()), 4));
    let _block = bench.take(5 * MIB, COMPUTE);
    assert_eq!(bench.reserved_mib(), 12);
    bench.give(held);
    assert_eq!((bench.it.empty_cache(), bench.reserved_mib()), (Ok(()), 8));
}

#[test]
fn streams_share_what_is_done() {
    let mut bench = Bench::<Bfc>::lagging(1024, BfcSettings::default());
    let block = bench.take(2 * MIB, COMPUTE);
    bench.give(block);
    let other = bench.take(2 * MIB, COPY);
    assert_eq!(bench.reserved_mib(), 6);
    bench.give(other);
    bench.finish(COMPUTE);
    let shared = bench.take(2 * MIB, COPY);
    assert_eq!((bench.kib(shared), bench.reserved_mib()), (0, 6));
}
