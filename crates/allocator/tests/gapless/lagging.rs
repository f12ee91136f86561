//! Devices that lag behind: their work is done only when somebody waits, or much later.

use std::collections::VecDeque;

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, Slack};
use gapless_device::{Completion, Placement, Sim, SimSetup};
use gapless_units::{Bytes, MIB, PoolId, StreamId};

const COMPUTE: StreamId = StreamId(0);
const COPY: StreamId = StreamId(1);

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
    // There is room for two dozen territories.
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

/// It is waited for as much as is missing before it is searched again.
#[test]
fn a_request_waits_until_there_is_enough() {
    let mut it = GaplessAllocator::new(Sim::new(lagging(Bytes::mib(400))), Slack::NONE, ());
    let blocks = [(); 200].map(|()| it.allocate(Bytes::mib(2), COMPUTE).unwrap());
    for block in blocks {
        assert_eq!(it.record_stream(block, COPY), Ok(()));
        assert_eq!(it.free(block), Ok(()));
    }
    assert!(it.allocate(Bytes::mib(100), COMPUTE).is_ok());
    assert_eq!(it.stalls(), 50);
    assert!(it.allocate(Bytes::mib(300), COMPUTE).is_ok());
    assert_eq!(it.stalls(), 200);
    assert_eq!(it.check_invariants(), Ok(()));
}
