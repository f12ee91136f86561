//! Arenas of superblocks.

use gapless_allocator::Allocator;
use gapless_allocator::baselines::{RmmArena, RmmArenaSettings};
use gapless_units::KIB;

use crate::bench::{Bench, COMPUTE, COPY};

const MIB: u64 = KIB;

fn bench(mib: u64) -> Bench<RmmArena> {
    Bench::new(mib, RmmArenaSettings::default())
}

#[test]
fn each_stream_takes_superblocks_of_its_own() {
    let mut bench = bench(64);
    let blocks = [COMPUTE, COPY, COMPUTE, COPY].map(|stream| bench.take(100, stream));
    assert_eq!(blocks.map(|block| bench.kib(block)), [0, 1024, 100, 1124]);
    // Two superblocks of 1 MiB lie on one granule.
    assert_eq!(bench.reserved_mib(), 2);
}

#[test]
fn the_lowest_block_that_is_large_enough_serves() {
    let mut bench = bench(64);
    let blocks: Vec<_> = (0..6).map(|_| bench.take(100, COMPUTE)).collect();
    bench.give(blocks[1]);
    bench.give(blocks[2]);
    bench.give(blocks[4]);
    // Best fit would take the block at 400 KiB.
    let first = bench.take(100, COMPUTE);
    assert_eq!(bench.kib(first), 100);
    let larger = bench.take(150, COMPUTE);
    assert_eq!(bench.kib(larger), 600);
}

#[test]
fn large_blocks_are_superblocks_of_their_size_that_merge_when_free() {
    let mut bench = bench(64);
    let blocks: Vec<_> = (0..3).map(|_| bench.take(4 * MIB, COMPUTE)).collect();
    assert_eq!(bench.kib(blocks[2]), 8 * MIB);
    bench.give(blocks[0]);
    bench.give(blocks[1]);
    let both = bench.take(8 * MIB, COPY);
    assert_eq!((bench.kib(both), bench.reserved_mib()), (0, 12));
}

#[test]
fn an_arena_gives_its_superblocks_back_when_a_request_finds_no_room() {
    let mut bench = bench(8);
    // Four superblocks, one granule after another.
    let blocks: Vec<_> = (0..8).map(|_| bench.take(1000, COPY)).collect();
    assert_eq!(bench.reserved_mib(), 8);
    bench.give_all(blocks);
    // They are wholly free and still the other stream's.
    let large = bench.take(8 * MIB, COMPUTE);
    assert_eq!((bench.kib(large), bench.it.stalls(), bench.reserved_mib()), (0, 1, 8));
}

#[test]
fn a_superblock_in_use_can_be_taken_over_for_the_room_in_it() {
    let mut bench = bench(8);
    // What is left of the arena is less than a superblock, and goes with the large block.
    let _large = bench.take(8 * MIB - 512, COPY);
    let small = bench.take(100, COMPUTE);
    assert_eq!(bench.kib(small), 8 * MIB - 512);
    // The other stream gets it only after all arenas gave back what they had.
    let other = bench.take(100, COPY);
    assert_eq!((bench.kib(other), bench.it.stalls()), (8 * MIB - 412, 1));
}
