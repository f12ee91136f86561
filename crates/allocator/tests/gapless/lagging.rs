//! Devices that lag behind: their work is done only when somebody waits, or much later.

use std::collections::VecDeque;

use gapless_allocator::{AllocationError, Allocator, BlockId, GaplessAllocator, Slack};
use gapless_device::{CallCounts, Completion, Faulty, Locked, Placement, Sim, SimSetup};
use gapless_units::{Bytes, MIB, PoolId, StreamId};

const COMPUTE: StreamId = StreamId(0);
const COPY: StreamId = StreamId(1);
const OTHER: StreamId = StreamId(2);

fn lagging(total: Bytes) -> SimSetup {
    SimSetup { completion: Completion::WhenTold, ..SimSetup::new(total) }
}

/// Addresses whose mappings earlier work may use are passed over, as long as the arena has others;
/// it takes no more of them from the device, however long that goes on.
#[test]
fn a_lag_takes_no_addresses_without_end() {
    let mut it = GaplessAllocator::new(Sim::new(lagging(Bytes::gib(1))), Slack::DEFAULT, ());
    let mut held: VecDeque<BlockId> = VecDeque::new();
    for step in 0..20_000_u64 {
        let size = 1 + step * 7_919_003 % (40 * MIB);
        while Bytes::mib(600) < it.live() + Bytes::new(size) {
            let turn = usize::try_from(step % 7).unwrap() % held.len();
            let block = held.remove(turn).unwrap();
            assert_eq!(it.free(block), Ok(()));
        }
        held.push_back(it.allocate(Bytes::new(size), COMPUTE).unwrap());
        if step % 100 == 0 {
            it.device_mut().finish_all_work();
        }
    }
    let calls = it.device().calls();
    assert_eq!(calls.reserve, 1);
    assert!(1000 < calls.granules_mapped && 0 < it.stalls(), "a tame program: {calls:?}");
    assert_eq!(it.check_invariants(), Ok(()));
}

/// Addresses of pools that are over go back when the device has no more, also where work may still
/// use them: that is waited for.
#[test]
fn addresses_in_use_are_waited_for() {
    // There is room for two dozen reservations.
    let placement = Placement::HighestFirst;
    let setup = SimSetup { placement, ..lagging(Bytes::gib(256)) };
    let mut it = GaplessAllocator::new(Sim::new(setup), Slack::NONE, ());
    for number in 1..100 {
        let pool = PoolId(0, number);
        let block = it.allocate_in(pool, Bytes::mib(10), COMPUTE).unwrap();
        assert_eq!(it.free(block), Ok(()));
        it.end_pool(pool);
        assert_eq!(it.check_invariants(), Ok(()));
    }
    assert!(0 < it.stalls());
}

/// Blocks that were given back keep their addresses while other streams use them: those are waited for
/// as well.
#[test]
fn addresses_of_blocks_that_wait_are_waited_for() {
    let placement = Placement::HighestFirst;
    let setup = SimSetup { placement, ..lagging(Bytes::gib(256)) };
    let mut it = GaplessAllocator::new(Sim::new(setup), Slack::NONE, ());
    for number in 0..60 {
        let block = it.allocate(Bytes::new(512), StreamId(number)).unwrap();
        assert_eq!(it.record_stream(block, StreamId(1000 + number)), Ok(()));
        assert_eq!(it.free(block), Ok(()));
    }
    assert!(0 < it.stalls());
    assert_eq!(it.check_invariants(), Ok(()));
}

/// A block outlives its stream, and is used on another of the same name: others wait for that one.
#[test]
fn a_stream_may_have_the_name_of_one_that_is_over() {
    for is_used_again in [false, true] {
        let mut it = GaplessAllocator::new(Sim::new(lagging(Bytes::mib(2))), Slack::NONE, ());
        let block = it.allocate(Bytes::mib(2), COPY).unwrap();
        assert_eq!(it.end_stream(COPY), Ok(()));
        if is_used_again {
            assert_eq!(it.record_stream(block, COPY), Ok(()));
        }
        assert_eq!(it.free(block), Ok(()));
        assert!(it.allocate(Bytes::mib(2), COMPUTE).is_ok());
        assert_eq!(it.stalls(), u64::from(is_used_again));
    }
}

/// What is told of a stream that is over was waited for, and the device is not asked again.
#[test]
fn an_ended_stream_is_done_with_all() {
    let device = Faulty::new(Sim::new(lagging(Bytes::mib(8))));
    let mut it = GaplessAllocator::new(device, Slack::NONE, ());
    let own = it.allocate(Bytes::mib(4), COPY).unwrap();
    let [used, waiting] = [(); 2].map(|()| it.allocate(Bytes::mib(2), COMPUTE).unwrap());
    for block in [used, waiting] {
        assert_eq!(it.record_stream(block, COPY), Ok(()));
    }
    assert_eq!(it.free(waiting), Ok(()));
    assert_eq!(it.end_stream(COPY), Ok(()));
    let before = it.device().calls();
    assert_eq!(it.free(used), Ok(()));
    assert_eq!(it.free(own), Ok(()));
    assert_eq!(it.live(), Bytes::ZERO);
    assert_eq!(it.device().calls(), before, "there is nothing to ask about");
    // Half of it is free of the stream that is over, half is its own.
    assert!(it.allocate(Bytes::mib(8), COMPUTE).is_ok());
    assert_eq!(it.stalls(), 0);
    assert_eq!(it.check_invariants(), Ok(()));
}

/// It is waited for as much as is missing before it is searched again, and each search asks a stream
/// once how far it is, not for each of its free blocks.
#[test]
fn a_request_waits_until_there_is_enough() {
    let device = Faulty::new(Sim::new(lagging(Bytes::mib(600))));
    let mut it = GaplessAllocator::new(device, Slack::NONE, ());
    // Of every second block other work has to be waited for.
    let blocks = [(); 300].map(|()| it.allocate(Bytes::mib(2), COMPUTE).unwrap());
    let mut used = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        if number % 2 == 0 {
            assert_eq!(it.free(block), Ok(()));
        } else {
            used.push(block);
        }
    }
    for block in used {
        assert_eq!(it.record_stream(block, COPY), Ok(()));
        assert_eq!(it.free(block), Ok(()));
    }
    let before = it.device().calls();
    assert!(it.allocate(Bytes::mib(400), OTHER).is_ok());
    // It waits for the work on 150 blocks, and for the last of 50 that are used elsewhere.
    let statistics = it.statistics();
    let waiting = statistics.active.all.current - statistics.allocation.all.current;
    assert_eq!((it.stalls(), waiting), (1, 100));
    // Unmapping, mapping and setting access are three for each page that moves.
    let calls = it.device().calls() - before;
    assert!(calls < 1000, "{calls} calls for 200 pages");
    assert_eq!(it.check_invariants(), Ok(()));
}

/// However many pages lie free in an arena whose stream lags, it is asked about once each time that they
/// are looked for.
#[test]
fn a_stream_that_lags_is_not_asked_for_each_page() {
    let device = Faulty::new(Sim::new(lagging(Bytes::gib(1))));
    let mut it = GaplessAllocator::new(device, Slack::NONE, ());
    // The pages move from one arena to the other, and lie free there.
    for stream in [COMPUTE, COPY] {
        let block = it.allocate(Bytes::gib(1), stream).unwrap();
        assert_eq!(it.free(block), Ok(()));
        it.device_mut().device_mut().finish_work_on(COMPUTE);
    }
    let before = it.device().calls();
    assert!(it.allocate(Bytes::gib(1), COMPUTE).is_ok());
    assert!(0 < it.stalls());
    let calls = it.device().calls() - before;
    assert!(calls < 20, "{calls} calls for 512 pages");
}

/// A program through so many allocators, in turn, on a device that keeps few mappings.
fn calls_with_few_mappings(allocators: usize) -> Result<CallCounts, AllocationError> {
    let mappings = 400;
    let device = Locked::new(Sim::new(SimSetup { mappings, ..SimSetup::new(Bytes::gib(1)) }));
    let new = || GaplessAllocator::new(device.clone(), Slack::NONE, ());
    let mut all: Vec<_> = (0..allocators).map(|_| new()).collect();
    let mut held: VecDeque<(usize, BlockId)> = VecDeque::new();
    for step in 0..20_000 {
        let size = 1 + step as u64 * 7_919_003 % (20 * MIB);
        let which = step % allocators;
        while Bytes::mib(300) < all[which].live() + Bytes::new(size)
            && let Some((owner, block)) = held.remove(step % 7)
        {
            assert_eq!(all[owner].free(block), Ok(()));
        }
        let stream = StreamId(u64::from(step % 3 == 0));
        held.push_back((which, all[which].allocate(Bytes::new(size), stream)?));
    }
    assert!(all.iter().all(|it| it.check_invariants().is_ok()));
    let calls = device.with(|sim| sim.calls());
    assert!(10_000 < calls.granules_mapped, "a tame program: {calls:?}");
    Ok(calls)
}

/// Mappings do not run out, because old aliases go before.
#[test]
fn there_are_no_more_aliases_than_the_device_keeps() {
    let calls = calls_with_few_mappings(1).unwrap();
    assert_eq!(calls.map, calls.granules_mapped, "one was refused");
}

/// Each of two knows only what it has mapped itself.
#[test]
fn aliases_are_forgotten_where_mappings_run_out() {
    let calls = calls_with_few_mappings(2).unwrap();
    assert!(calls.granules_mapped < calls.map, "none was refused");
}
