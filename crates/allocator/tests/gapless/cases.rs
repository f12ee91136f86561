//! Small programs that each need one rule.

use gapless_allocator::gapless::BlockId;
use gapless_allocator::{AllocationError, Allocator, GaplessAllocator, PageSize, Slack};
use gapless_device::{Completion, Placement, Sim, SimSetup};
use gapless_units::{Bytes, PoolId, StreamId};

const COMPUTE: StreamId = StreamId(0);
const COPY: StreamId = StreamId(1);

/// On a device of so many pages whose streams are done only when somebody waits.
fn allocator(pages: u64) -> GaplessAllocator<Sim> {
    let completion = Completion::WhenTold;
    let setup = SimSetup { completion, ..SimSetup::new(Bytes::mib(2 * pages)) };
    GaplessAllocator::new(Sim::new(setup), Slack::NONE, ())
}

fn take(allocator: &mut GaplessAllocator<Sim>, kib: u64, stream: StreamId) -> BlockId {
    let block = allocator.allocate(Bytes::new(kib * 1024), stream);
    block.unwrap_or_else(|error| panic!("{error}"))
}

fn give(allocator: &mut GaplessAllocator<Sim>, block: BlockId) {
    assert_eq!(allocator.free(block), Ok(()));
}

/// When no page is left for the tightest gap, a looser one with memory serves.
#[test]
fn a_gap_with_memory_serves_when_pages_are_short() {
    let mut it = allocator(5);
    let _left = take(&mut it, 1024, COMPUTE);
    let loose = take(&mut it, 2560, COMPUTE);
    let _right = take(&mut it, 512, COMPUTE);
    let tight = take(&mut it, 2048, COMPUTE);
    let _end = take(&mut it, 1, COMPUTE);
    give(&mut it, tight);
    // The page of the tight gap moves here, and the device has no other.
    let _large = take(&mut it, 4096, COMPUTE);
    give(&mut it, loose);
    let _served = take(&mut it, 2048, COMPUTE);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// A request that fails may have brought a page back into a gap that is free longer than the
/// page: another stream waits for the page's last use, not for the gap's.
#[test]
fn a_page_is_as_young_as_its_last_use() {
    let mut it = allocator(6);
    let gap = take(&mut it, 3 * 2048, COMPUTE);
    let _end = take(&mut it, 2048, COMPUTE);
    give(&mut it, gap);
    // Work up to here is waited for; one page goes back.
    assert_eq!(it.trim(Bytes::mib(6)), Ok(()));
    let large = take(&mut it, 5 * 2048, COMPUTE);
    give(&mut it, large);
    let _held = take(&mut it, 4 * 2048, COMPUTE);
    assert!(it.allocate(Bytes::mib(6), COMPUTE).is_err());
    let stalls = it.stalls();
    let _other = take(&mut it, 2048, COPY);
    assert_eq!(it.stalls(), stalls + 1);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// A frame is in the way whose address earlier work of the same stream may use: that work can be
/// waited for.
#[test]
fn a_frame_in_the_way_is_waited_for() {
    let mut it = allocator(6);
    let _left = take(&mut it, 1024, COMPUTE);
    let gap = take(&mut it, 4096, COMPUTE);
    let _right = take(&mut it, 1024, COMPUTE);
    give(&mut it, gap);
    // The page inside the gap moves here.
    let _large = take(&mut it, 4608, COMPUTE);
    // One page is left. Elsewhere two would be needed.
    let _back = take(&mut it, 4096, COMPUTE);
    assert_eq!(it.stalls(), 1);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// What other streams still use when the cache is emptied goes back as well.
#[test]
fn emptying_waits_for_blocks_that_other_streams_use() {
    let mut it = allocator(6);
    let block = take(&mut it, 4096, COMPUTE);
    assert_eq!(it.record_stream(block, COPY), Ok(()));
    give(&mut it, block);
    assert_eq!(it.empty_cache(), Ok(()));
    assert_eq!(it.reserved(), Bytes::ZERO);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// More than the device has is refused before anything is taken for it.
#[test]
fn more_than_the_device_has_takes_nothing() {
    let mut it = allocator(6);
    let block = take(&mut it, 2048, COMPUTE);
    give(&mut it, block);
    let calls = it.device().calls();
    assert!(it.allocate(Bytes::gib(100), COMPUTE).is_err());
    assert_eq!(it.device().calls(), calls);
    assert_eq!(it.statistics().num_ooms, 1);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// Each private pool has addresses of its own, several times as many as the device has memory. They
/// go back when the device has no more, and the pages of pools that are over move on.
#[test]
fn pools_come_and_go_without_end() {
    // There is room for two dozen territories.
    let placement = Placement::HighestFirst;
    let setup = SimSetup { placement, ..SimSetup::new(Bytes::gib(256)) };
    let mut it = GaplessAllocator::new(Sim::new(setup), Slack::NONE, ());
    let _kept = take(&mut it, 2048, COMPUTE);
    for number in 1..200 {
        let pool = PoolId(0, number);
        let size = Bytes::mib(2 * (1 + number % 7));
        let block = it.allocate_in(pool, size, COMPUTE).unwrap();
        give(&mut it, block);
        it.end_pool(pool);
        assert_eq!(it.check_invariants(), Ok(()));
    }
    // All pools took turns at the same pages.
    assert!(it.reserved() <= Bytes::mib(2 + 14));
}

/// What is held, pinned or of a pool that goes on keeps its addresses; the rest goes back with the
/// memory.
#[test]
fn addresses_go_back_with_the_memory() {
    let mut it = allocator(32);
    let pool = PoolId(0, 1);
    let blocks = [
        it.allocate_in(pool, Bytes::mib(4), COMPUTE).unwrap(),
        take(&mut it, 2048, COMPUTE),
        take(&mut it, 2048, COPY),
    ];
    let starts = blocks.map(|block| it.extent(block).unwrap().start());
    let pinned = it.pin(blocks[1]).unwrap();
    for block in blocks {
        give(&mut it, block);
    }
    it.device_mut().finish_all_work();
    let reserved = |it: &GaplessAllocator<Sim>| starts.map(|start| it.device().is_reserved(start));
    assert_eq!(it.empty_cache(), Ok(()));
    assert_eq!(reserved(&it), [true, true, false]);
    assert!(it.unpin(pinned));
    it.end_pool(pool);
    assert_eq!(it.empty_cache(), Ok(()));
    assert_eq!(reserved(&it), [false; 3]);
    assert_eq!(it.check_invariants(), Ok(()));
    let again = take(&mut it, 2048, COMPUTE);
    give(&mut it, again);
}

/// A page larger than the device's memory cannot be had; nothing is lost by asking.
#[test]
fn a_page_that_the_device_has_not_is_refused() {
    let device = Sim::new(SimSetup::new(Bytes::mib(64)));
    let page = PageSize::at_least(Bytes::mib(128));
    let mut it = GaplessAllocator::with_pages(device, page, Slack::NONE, ());
    let refused = it.allocate(Bytes::new(512), COMPUTE);
    assert!(matches!(refused, Err(AllocationError::OutOfMemory { .. })), "{refused:?}");
    assert_eq!(it.reserved(), Bytes::ZERO);
    assert_eq!(it.check_invariants(), Ok(()));
}
