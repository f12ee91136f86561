//! Stitching.

use gapless_allocator::baselines::{GmLake, GmLakeSettings};
use gapless_units::{Bytes, KIB, PoolId};

use crate::bench::{Bench, COMPUTE, COPY};

const MIB: u64 = KIB;

/// Stitches from 4 MiB on.
fn eager() -> GmLakeSettings {
    GmLakeSettings { stitch_from: Bytes::mib(4), ..GmLakeSettings::default() }
}

/// Blocks of 2 MiB each, taken and given back: as many primitive blocks, none touching another.
fn pieces(bench: &mut Bench<GmLake>, count: usize) {
    let blocks: Vec<_> = (0..count).map(|_| bench.take(2 * MIB, COMPUTE)).collect();
    bench.give_all(blocks);
}

#[test]
fn free_pieces_are_stitched_and_the_stitched_block_is_used_again_without_a_call() {
    let mut bench = Bench::<GmLake>::new(1024, GmLakeSettings::default());
    let (left, right) = (bench.take(300 * MIB, COMPUTE), bench.take(300 * MIB, COMPUTE));
    bench.give(left);
    bench.give(right);
    let before = bench.calls();
    let large = bench.take(600 * MIB, COMPUTE);
    let stitched = bench.calls();
    assert_eq!((stitched.create, stitched.reserve), (before.create, before.reserve + 1));
    assert_eq!((stitched.map, stitched.set_access), (before.map + 300, before.set_access + 1));
    assert_eq!((bench.it.policy().counts().stitched, bench.reserved_mib()), (1, 600));
    bench.give(large);
    let _again = bench.take(600 * MIB, COMPUTE);
    assert_eq!(bench.calls(), stitched);
}

#[test]
fn requests_below_the_limit_get_new_memory() {
    let mut bench = Bench::<GmLake>::new(2048, GmLakeSettings::default());
    let (left, right) = (bench.take(300 * MIB, COMPUTE), bench.take(300 * MIB, COMPUTE));
    bench.give(left);
    bench.give(right);
    let _below = bench.take(510 * MIB, COMPUTE);
    assert_eq!((bench.it.policy().counts().stitched, bench.reserved_mib()), (0, 1110));
}

#[test]
fn what_is_missing_is_created_and_stitched_with_all_that_is_free() {
    let mut bench = Bench::<GmLake>::new(1024, GmLakeSettings::default());
    let left = bench.take(300 * MIB, COMPUTE);
    bench.give(left);
    let before = bench.calls();
    let _large = bench.take(600 * MIB, COMPUTE);
    let after = bench.calls();
    // 150 granules are new, and 300 are mapped side by side.
    assert_eq!((after.create - before.create, after.map - before.map), (150, 450));
    assert_eq!(bench.reserved_mib(), 600);
}

#[test]
fn the_smallest_larger_primitive_is_cut_between_granules() {
    let mut bench = Bench::<GmLake>::new(1024, GmLakeSettings::default());
    let (larger, smaller) = (bench.take(20 * MIB, COMPUTE), bench.take(8 * MIB, COMPUTE));
    let start = bench.start(smaller);
    bench.give(larger);
    bench.give(smaller);
    let before = bench.calls();
    let cut = bench.take(5 * MIB, COMPUTE);
    let rest = bench.take(2 * MIB, COMPUTE);
    assert_eq!((bench.start(cut), bench.size_kib(cut)), (start, 6 * MIB));
    assert_eq!(bench.start(rest), start + Bytes::mib(6));
    assert_eq!(bench.calls(), before);
}

#[test]
fn a_stitched_block_serves_smaller_requests_up_to_the_reuse_limit() {
    for (reuse_limit, stitched) in [(10, 1), (4, 2)] {
        let mut bench = Bench::<GmLake>::new(1024, GmLakeSettings { reuse_limit, ..eager() });
        pieces(&mut bench, 10);
        let whole = bench.take(20 * MIB, COMPUTE);
        bench.give(whole);
        // No primitive block has 4 MiB, and the stitched one is five times as large.
        let part = bench.take(4 * MIB, COMPUTE);
        assert_eq!(bench.size_kib(part), 4 * MIB);
        assert_eq!(bench.it.policy().counts().stitched, stitched, "limit {reuse_limit}");
        // The pieces that it does not use are free.
        let before = bench.calls();
        for _ in 0..8 {
            let _piece = bench.take(2 * MIB, COMPUTE);
        }
        assert_eq!(bench.calls(), before);
        assert_eq!(bench.reserved_mib(), 20);
    }
}

#[test]
fn a_stitched_block_is_usable_only_while_all_its_memory_is_free() {
    let mut bench = Bench::<GmLake>::new(1024, eager());
    pieces(&mut bench, 3);
    let whole = bench.take(6 * MIB, COMPUTE);
    bench.give(whole);
    let piece = bench.take(2 * MIB, COMPUTE);
    let _other = bench.take(6 * MIB, COMPUTE);
    // One piece was in use, so a fourth was created and stitched.
    assert_eq!((bench.it.policy().counts().stitched, bench.reserved_mib()), (2, 8));
    bench.give(piece);
}

#[test]
fn too_many_stitched_blocks_are_unmapped_but_not_in_a_private_pool() {
    for (pool, dropped) in [(PoolId::DEFAULT, 2), (PoolId(0, 1), 0)] {
        let settings = GmLakeSettings { stitched_limit: Bytes::mib(10), ..eager() };
        let mut bench = Bench::<GmLake>::new(1024, settings);
        let small: Vec<_> = (0..4).map(|_| bench.take_from(pool, 2 * MIB, COMPUTE)).collect();
        bench.give_all(small);
        for mib in [4, 6, 8] {
            let block = bench.take_from(pool, mib * MIB, COMPUTE);
            bench.give(block);
        }
        let before = bench.calls();
        let _next = bench.take_from(pool, 2 * MIB, COMPUTE);
        assert_eq!(bench.calls().unmap - before.unmap, dropped, "{pool:?}");
    }
}

#[test]
fn a_block_stays_with_its_stream() {
    let mut bench = Bench::<GmLake>::new(1024, GmLakeSettings::default());
    let block = bench.take(8 * MIB, COMPUTE);
    bench.give(block);
    let _other = bench.take(8 * MIB, COPY);
    assert_eq!(bench.reserved_mib(), 16);
}
