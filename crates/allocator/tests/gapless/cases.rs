//! Small programs that each need one rule.

use gapless_allocator::{
    AllocationError, Allocator, BlockId, FreeError, GaplessAllocator, PageSize, Slack,
};
use gapless_device::{Completion, DeviceError, Placement, Sim, SimSetup};
use gapless_units::{Bytes, DeviceId, Extent, PoolId, StreamId};

use crate::watched::Watched;

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

/// A slot is in the way whose address earlier work of the same stream may use: that work can be
/// waited for.
#[test]
fn a_slot_in_the_way_is_waited_for() {
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

/// A request that has to fail takes nothing from other users of the device while it is served.
#[test]
fn a_request_that_fails_asks_the_device_for_nothing() {
    let mut it = allocator(6);
    let held = take(&mut it, 3 * 2048, COMPUTE);
    let gap = take(&mut it, 2048, COMPUTE);
    let _end = take(&mut it, 512, COMPUTE);
    give(&mut it, gap);
    let calls = it.device().calls();
    let error = it.allocate(Bytes::mib(6), COMPUTE).unwrap_err();
    // One page lies free, and the device has another.
    assert_eq!(error.missing(), Some(Bytes::mib(2)));
    assert_eq!(it.device().calls().create, calls.create);
    give(&mut it, held);
    let _served = take(&mut it, 3 * 2048, COMPUTE);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// Of all that is told; how much is kept goes by the most that was ever alive.
#[test]
fn peaks_begin_anew() {
    let mut it = allocator(6);
    let block = take(&mut it, 3 * 2048, COMPUTE);
    give(&mut it, block);
    assert_eq!(it.trim(Bytes::mib(2)), Ok(()));
    it.reset_peaks();
    let usage = it.usage();
    assert_eq!((usage.active_peak, usage.reserved_peak), (Bytes::ZERO, Bytes::mib(2)));
    assert_eq!(it.live_peak(), Bytes::mib(6));
}

#[test]
fn blocks_of_others_are_told_apart() {
    let (mut it, mut other) = (allocator(6), allocator(6));
    let (own, others) = (take(&mut it, 2048, COMPUTE), take(&mut other, 2048, COMPUTE));
    assert_eq!(it.free(others), Err(FreeError::NotAllocated));
    assert_eq!(other.record_stream(own, COPY), Err(FreeError::NotAllocated));
    give(&mut it, own);
    give(&mut other, others);
}

/// A pin is ended by its own block's extent, once for each time that it was made.
#[test]
fn each_pin_has_its_own_end() {
    let mut it = allocator(6);
    let blocks = [(); 2].map(|()| take(&mut it, 4, COMPUTE));
    let [first, second] = blocks.map(|block| it.pin(block).unwrap());
    assert_eq!(it.pin(blocks[0]), Ok(first));
    let part = Extent::between(first.start(), first.start() + Bytes::new(512));
    assert!(!it.unpin(part));
    assert_eq!([(); 3].map(|()| it.unpin(first)), [true, true, false]);
    assert_eq!([(); 2].map(|()| it.unpin(second)), [true, false]);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// Each private pool has addresses of its own, several times as many as the device has memory. They
/// go back when the device has no more, and the pages of pools that are over move on.
#[test]
fn pools_come_and_go_without_end() {
    // There is room for two dozen reservations.
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

/// While a graph is captured a request takes new pages, and what lies free elsewhere stays; afterwards it
/// moves again.
#[test]
fn nothing_moves_while_a_graph_is_captured() {
    let mut it = allocator(6);
    let gap = take(&mut it, 4096, COMPUTE);
    let _end = take(&mut it, 2048, COMPUTE);
    give(&mut it, gap);
    it.device_mut().begin_capture();
    it.begin_capture();
    let _captured = take(&mut it, 6144, COMPUTE);
    assert_eq!(it.reserved(), Bytes::mib(12), "the gap keeps its pages");
    assert!(matches!(
        it.allocate(Bytes::mib(6), COMPUTE),
        Err(AllocationError::OutOfMemory { .. })
    ));
    let again = take(&mut it, 4096, COMPUTE);
    give(&mut it, again);
    assert!(it.device_mut().end_capture(), "nothing was asked about work");
    assert_eq!(it.end_capture(), Ok(()));
    assert_eq!(it.check_invariants(), Ok(()));
}

/// Slots that work may still use fill the addresses: while a graph is captured nobody waits for them,
/// and there are others.
#[test]
fn a_capture_gets_new_addresses_where_old_ones_are_in_use() {
    let mut it = allocator(32);
    for pages in 9..14 {
        let block = take(&mut it, 2048 * pages, COMPUTE);
        let _apart = take(&mut it, 2048, COMPUTE);
        if pages < 13 {
            give(&mut it, block);
        }
    }
    it.device_mut().begin_capture();
    it.begin_capture();
    let _captured = take(&mut it, 2048 * 9, COMPUTE);
    assert!(it.device_mut().end_capture(), "nothing was asked about work");
}

/// A block that another stream used is given back while a graph is captured: it is asked about after the
/// capture.
#[test]
fn blocks_freed_during_a_capture_wait_for_its_end() {
    let mut it = allocator(6);
    let block = take(&mut it, 4096, COMPUTE);
    assert_eq!(it.record_stream(block, COPY), Ok(()));
    it.device_mut().begin_capture();
    it.begin_capture();
    give(&mut it, block);
    assert_eq!(it.process_events(), Ok(()));
    assert!(matches!(it.trim(Bytes::ZERO), Err(DeviceError::Invalid { .. })));
    assert_eq!(it.live(), Bytes::mib(4));
    assert!(it.device_mut().end_capture(), "nothing was asked about work");
    assert_eq!(it.end_capture(), Ok(()));
    it.device_mut().finish_work_on(COPY);
    assert_eq!(it.process_events(), Ok(()));
    assert_eq!(it.live(), Bytes::ZERO);
    assert!(matches!(it.end_capture(), Err(DeviceError::Invalid { .. })), "there is none");
}

/// A block of a page that was elsewhere before is open to the peers there as well.
#[test]
fn peers_follow_pages_that_move() {
    let mut it = GaplessAllocator::new(Watched::new(Bytes::mib(8), u64::MAX), Slack::NONE, ());
    let gap = it.allocate(Bytes::mib(4), COMPUTE).unwrap();
    let end = it.allocate(Bytes::mib(2), COMPUTE).unwrap();
    assert_eq!(it.enable_peer_access(DeviceId(1)), Ok(()));
    assert_eq!(it.free(gap), Ok(()));
    let moved = it.allocate(Bytes::mib(6), COMPUTE).unwrap();
    assert!(0 < it.device().moves);
    assert_eq!(it.enable_peer_access(DeviceId(2)), Ok(()));
    for block in [end, moved] {
        let extent = it.extent(block).unwrap();
        assert!(it.device().pieces(extent).is_some(), "{extent:?} is closed to a peer");
    }
}
