//! Two-level segregated fit.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{Tlsf, TlsfSettings};
use gapless_units::{Bytes, KIB};

use crate::bench::{Bench, COMPUTE};

const MIB: u64 = KIB;

fn bench(mib: u64) -> Bench<Tlsf> {
    Bench::new(mib, TlsfSettings::default())
}

#[test]
fn a_block_of_the_requests_own_class_is_passed_over() {
    // Classes at 1 MiB are 32 KiB apart: 1056 KiB are two classes, 1040 KiB between them.
    for (kib, taken) in [(1024, true), (1040, false)] {
        let mut bench = bench(1024);
        let free = bench.take(1040, COMPUTE);
        let _behind = bench.take(64, COMPUTE);
        bench.give(free);
        let block = bench.take(kib, COMPUTE);
        assert_eq!(bench.kib(block) == 0, taken, "{kib} KiB");
        assert_eq!(bench.size_kib(block), kib);
    }
}

#[test]
fn of_a_class_the_block_that_came_last_serves() {
    let mut bench = bench(1024);
    let blocks: Vec<_> = (0..6).map(|_| bench.take(128, COMPUTE)).collect();
    bench.give(blocks[0]);
    bench.give(blocks[4]);
    bench.give(blocks[2]);
    let block = bench.take(128, COMPUTE);
    assert_eq!(bench.kib(block), 256);
}

#[test]
fn regions_grow_from_an_eighth_of_the_largest() {
    let mut bench = bench(4096);
    let mut reserved = vec![];
    for _ in 0..5 {
        let _block = bench.take(16 * MIB, COMPUTE);
        let region = bench.reserved_mib() - reserved.last().copied().unwrap_or_default();
        for _ in 1..region / 16 {
            let _fill = bench.take(16 * MIB, COMPUTE);
        }
        reserved.push(bench.reserved_mib());
    }
    let regions: Vec<_> = reserved.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!((reserved[0], regions), (32, vec![64, 128, 256, 256]));
}

#[test]
fn a_large_request_has_a_region_of_its_own_which_goes_back() {
    let mut bench = bench(4096);
    let _small = bench.take(1, COMPUTE);
    let large = bench.take(200 * MIB, COMPUTE);
    assert_eq!(bench.reserved_mib(), 232);
    bench.give(large);
    let before = bench.calls();
    let _other = bench.take(1, COMPUTE);
    let after = bench.calls();
    assert_eq!((after.unmap - before.unmap, after.release - before.release), (1, 1));
    assert_eq!((bench.reserved_mib(), bench.it.stalls()), (32, 0));
}

#[test]
fn a_region_goes_back_only_when_its_work_is_done() {
    let mut bench = Bench::<Tlsf>::lagging(4096, TlsfSettings::default());
    let _small = bench.take(1, COMPUTE);
    let large = bench.take(200 * MIB, COMPUTE);
    bench.give(large);
    let _more = bench.take(1, COMPUTE);
    assert_eq!(bench.reserved_mib(), 232);
    bench.finish(COMPUTE);
    let _more = bench.take(1, COMPUTE);
    assert_eq!((bench.reserved_mib(), bench.it.stalls()), (32, 0));
}

#[test]
fn one_free_region_is_kept() {
    let settings = TlsfSettings { largest_region: Bytes::mib(8), kept_regions: 1 };
    let mut bench = Bench::<Tlsf>::new(4096, settings);
    let blocks: Vec<_> = (0..12).map(|_| bench.take(MIB, COMPUTE)).collect();
    let reserved = bench.reserved_mib();
    bench.give_all(blocks);
    assert_eq!(bench.reserved_mib(), reserved);
    let block = bench.take(MIB, COMPUTE);
    assert!(bench.reserved_mib() < reserved, "{reserved}");
    bench.give(block);
    let before = bench.calls();
    let _again = bench.take(MIB, COMPUTE);
    assert_eq!(bench.calls(), before);
}
