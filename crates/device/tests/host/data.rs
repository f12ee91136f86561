//! Data stays where it is and goes where its memory goes.

use gapless_device::Device;
use gapless_units::{Addr, Bytes, Extent};

use crate::block::{FIRST, GRANULE, block, extent, finish, granules, host, map};

#[test]
fn what_one_mapping_writes_its_alias_reads() {
    let mut host = host(8);
    let (block, handle) = block(&mut host, 3);
    let alias = host.reserve(block.size()).unwrap();
    map(&mut host, alias, handle);
    host.fill(FIRST, block, 1).unwrap();
    host.check(FIRST, alias, 1).unwrap();
    host.write(FIRST, alias.start() + GRANULE, b"elsewhere").unwrap();
    let reading = host.read(FIRST, extent(block.start() + GRANULE, 9)).unwrap();
    assert_eq!(reading.wait().unwrap(), b"elsewhere");
    finish(&mut host, FIRST);
}

#[test]
fn data_survives_a_move() {
    let mut host = host(8);
    let (block, handle) = block(&mut host, 2);
    host.fill(FIRST, block, 1).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    host.unmap(block).unwrap();
    let other = host.reserve(granules(5)).unwrap();
    for at in [3, 0, 2] {
        let here = extent(other.start() + granules(at), block.size().get());
        map(&mut host, here, handle);
        host.check(FIRST, here, 1).unwrap();
        finish(&mut host, FIRST);
        host.unmap(here).unwrap();
    }
    map(&mut host, block, handle);
    host.check(FIRST, block, 1).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn handles_and_allocations_share_no_byte() {
    let mut host = host(9);
    let mut blocks: Vec<Extent> = (1..=3).map(|count| block(&mut host, count).0).collect();
    for size in [1, GRANULE.get() + 7] {
        blocks.push(extent(host.allocate(Bytes::new(size)).unwrap(), size));
    }
    assert_eq!(host.memory().free, Bytes::ZERO);
    for (seed, &block) in (0..).zip(&blocks) {
        host.fill(FIRST, block, seed).unwrap();
    }
    for (seed, &block) in (0..).zip(&blocks) {
        host.check(FIRST, block, seed).unwrap();
    }
    finish(&mut host, FIRST);
}

#[test]
fn a_handle_in_pieces_is_one() {
    let mut host = host(6);
    let blocks: Vec<_> = (0..6).map(|_| block(&mut host, 1)).collect();
    for (seed, (block, _)) in (0..).zip(&blocks) {
        host.fill(FIRST, *block, seed).unwrap();
    }
    host.wait_for_stream(FIRST).unwrap();
    for (block, handle) in [blocks[0], blocks[2], blocks[5]] {
        host.unmap(block).unwrap();
        host.release(handle).unwrap();
    }
    let (pieces, _) = block(&mut host, 3);
    host.fill(FIRST, pieces, 10).unwrap();
    host.check(FIRST, pieces, 10).unwrap();
    for seed in [1, 3, 4] {
        host.check(FIRST, blocks[usize::try_from(seed).unwrap()].0, seed).unwrap();
    }
    finish(&mut host, FIRST);
}

#[test]
fn extents_begin_and_end_anywhere() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 2);
    host.fill(FIRST, block, 1).unwrap();
    let before = host.read(FIRST, block).unwrap().wait().unwrap();
    let odd = extent(block.start() + Bytes::new(13), GRANULE.get());
    host.fill(FIRST, odd, 2).unwrap();
    host.check(FIRST, odd, 2).unwrap();
    let after = host.read(FIRST, block).unwrap().wait().unwrap();
    let end = 13 + before.len() / 2;
    assert_eq!((&after[..13], &after[end..]), (&before[..13], &before[end..]));
    // A pattern begins with its extent: the first bytes are the same wherever it is.
    assert_eq!(host.read(FIRST, odd).unwrap().wait().unwrap(), after[13..end]);
    host.fill(FIRST, extent(block.start(), 100), 2).unwrap();
    let start = host.read(FIRST, extent(block.start(), 100)).unwrap().wait().unwrap();
    assert_eq!(start, after[13..113]);
    // Nothing is written to an extent of no bytes, and nobody asks where it is.
    host.fill(FIRST, extent(Addr::new(512), 0), 3).unwrap();
    finish(&mut host, FIRST);
}

#[test]
fn copies_are_as_if_all_was_read_first() {
    let mut host = host(4);
    let (block, handle) = block(&mut host, 2);
    let alias = host.reserve(block.size()).unwrap();
    map(&mut host, alias, handle);
    host.fill(FIRST, block, 1).unwrap();
    let before = host.read(FIRST, block).unwrap().wait().unwrap();
    // To where it overlaps, under other addresses.
    let moved = extent(block.start() + Bytes::new(1000), GRANULE.get());
    host.copy(FIRST, moved, alias.start() + Bytes::new(1003)).unwrap();
    let after = host.read(FIRST, block).unwrap().wait().unwrap();
    let len = before.len() / 2;
    assert_eq!(after[1003..1003 + len], before[1000..1000 + len]);
    assert_eq!(after[..1003], before[..1003]);
    assert_eq!(after[1003 + len..], before[1003 + len..]);
    finish(&mut host, FIRST);
}

#[test]
fn memory_goes_back_to_the_system_with_its_last_mapping() {
    let mut host = host(16);
    assert_eq!(host.resident(), Bytes::ZERO);
    let (block, handle) = block(&mut host, 4);
    assert_eq!(host.resident(), Bytes::ZERO);
    host.fill(FIRST, block, 1).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    assert_eq!(host.resident(), granules(4));
    host.release(handle).unwrap();
    host.check(FIRST, block, 1).unwrap();
    finish(&mut host, FIRST);
    assert_eq!(host.resident(), granules(4));
    host.unmap(block).unwrap();
    assert_eq!(host.resident(), Bytes::ZERO);

    let addr = host.allocate(granules(3)).unwrap();
    host.fill(FIRST, extent(addr, granules(3).get()), 2).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    assert_eq!(host.resident(), granules(3));
    host.free(addr).unwrap();
    assert_eq!(host.resident(), Bytes::ZERO);
}
