//! What must not happen is noticed, and harms nobody but the device.

use gapless_device::{Complaint, Device, DeviceError, Fault, Host, HostSetup, Mismatch, Pace};
use gapless_units::{Addr, Bytes, Extent, StreamId};

use crate::block::{FIRST, GRANULE, SECOND, block, extent, finish, granules, host, host_with, map};

/// Sees that work on an extent is a fault at an address, and the device is of no use from then on.
#[track_caller]
fn check_fault(mut host: Host, work: Extent, addr: Addr) {
    let (resident, memory) = (host.resident(), host.memory());
    let event = host.record_event(SECOND).unwrap();
    // Held up, so that all of it is queued before the first goes wrong.
    let gate = host.hold(FIRST).unwrap();
    host.fill(FIRST, work, 1).unwrap();
    let reading = host.read(FIRST, work).unwrap();
    gate.open();
    let fault = Fault { stream: FIRST, addr };
    let told = |call| DeviceError::Driver { call, reason: fault.to_string() };
    assert_eq!(host.wait_for_stream(FIRST), Err(told("wait for stream")));
    assert_eq!(reading.wait(), Err(told("read")));
    assert_eq!(host.fault(), Some(fault));
    assert_eq!(host.complaints(), [Complaint::Fault(fault)]);

    // Nothing was touched, and nothing can be done any more, not even what makes no sense.
    assert_eq!((host.resident(), host.memory()), (resident, memory));
    let range = extent(Addr::new(0), GRANULE.get());
    let answers = [
        host.allocate(GRANULE).map(drop),
        host.free(addr),
        host.reserve(GRANULE).map(drop),
        host.unreserve(range),
        host.create(GRANULE).map(drop),
        host.release(gapless_device::Handle(7)),
        host.map(addr, gapless_device::Handle(7)),
        host.set_access(range),
        host.unmap(range),
        host.record_event(SECOND).map(drop),
        host.is_complete(event).map(drop),
        host.wait_for_event(event),
        host.drop_event(event),
        host.wait_for_stream(SECOND),
        host.wait_for_device(),
        host.fill(SECOND, work, 1),
        host.make_wait(SECOND, event),
        host.hold(SECOND).map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(DeviceError::Driver { .. })), "{answer:?}");
    }
}

#[test]
fn addresses_that_were_never_given_are_a_fault() {
    check_fault(host(4), extent(Addr::new(512), 100), Addr::new(512));
}

#[test]
fn reserved_addresses_are_a_fault() {
    let mut host = host(4);
    let reservation = host.reserve(granules(2)).unwrap();
    check_fault(host, reservation, reservation.start());
}

#[test]
fn mapped_addresses_without_access_are_a_fault() {
    let mut host = host(4);
    let reservation = host.reserve(granules(2)).unwrap();
    let [first, second] = [1, 1].map(|count| host.create(granules(count)).unwrap());
    map(&mut host, extent(reservation.start(), GRANULE.get()), first);
    host.map(reservation.start() + GRANULE, second).unwrap();
    check_fault(host, reservation, reservation.start() + GRANULE);
}

#[test]
fn unmapped_addresses_are_a_fault() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 2);
    host.unmap(block).unwrap();
    check_fault(host, extent(block.start() + Bytes::new(5), 1), block.start() + Bytes::new(5));
}

#[test]
fn addresses_mapped_again_without_access_are_a_fault() {
    let mut host = host(4);
    let (block, handle) = block(&mut host, 2);
    host.unmap(block).unwrap();
    host.map(block.start(), handle).unwrap();
    check_fault(host, block, block.start());
}

#[test]
fn bytes_behind_an_allocation_are_a_fault() {
    let mut host = host(4);
    let addr = host.allocate(Bytes::new(100)).unwrap();
    host.fill(FIRST, extent(addr, 100), 1).unwrap();
    host.check(FIRST, extent(addr, 100), 1).unwrap();
    finish(&mut host, FIRST);
    check_fault(host, extent(addr + Bytes::new(90), 11), addr + Bytes::new(100));
}

#[test]
fn freed_addresses_are_a_fault() {
    let mut host = host(4);
    let addr = host.allocate(Bytes::new(100)).unwrap();
    host.free(addr).unwrap();
    check_fault(host, extent(addr, 1), addr);
}

#[test]
fn a_copy_with_one_wrong_side_is_a_fault() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 1);
    let reservation = host.reserve(granules(1)).unwrap();
    host.copy(FIRST, block, reservation.start()).unwrap();
    host.wait_for_stream(FIRST).unwrap_err();
    assert_eq!(host.fault(), Some(Fault { stream: FIRST, addr: reservation.start() }));
    assert_eq!(host.resident(), Bytes::ZERO);
}

#[test]
fn a_fault_ends_waits_for_other_streams() {
    let mut host = host(4);
    let gate = host.hold(SECOND).unwrap();
    let event = host.record_event(SECOND).unwrap();
    let third = StreamId(3);
    host.make_wait(third, event).unwrap();
    host.fill(FIRST, extent(Addr::new(512), 1), 1).unwrap();
    host.wait_for_stream(third).unwrap_err();
    host.wait_for_event(event).unwrap_err();
    drop(gate);
}

#[test]
fn unmapping_under_queued_work_is_noticed() {
    let mut host = host(8);
    let reservation = host.reserve(granules(4)).unwrap();
    let parts = [0, 1, 2].map(|at| extent(reservation.start() + granules(at), GRANULE.get()));
    for part in parts {
        let handle = host.create(GRANULE).unwrap();
        map(&mut host, part, handle);
    }
    let gate = host.hold(FIRST).unwrap();
    let used = extent(parts[1].start() + Bytes::new(512), 1024);
    host.copy(FIRST, extent(parts[0].start(), 1024), used.start()).unwrap();
    host.unmap(parts[2]).unwrap();
    assert_eq!(host.complaints(), []);
    // What is refused takes nothing from anybody.
    host.unmap(extent(parts[1].start(), 512)).unwrap_err();
    assert_eq!(host.complaints(), []);
    host.unmap(parts[1]).unwrap();
    let complaint = Complaint::UnmappedInUse { unmapped: parts[1], stream: FIRST, used };
    assert_eq!(host.complaints(), [complaint]);
    gate.open();
    host.wait_for_stream(FIRST).unwrap_err();
    let fault = Fault { stream: FIRST, addr: used.start() };
    assert_eq!(host.complaints(), [complaint, Complaint::Fault(fault)]);
}

#[test]
fn unmapping_behind_a_lagging_stream_is_noticed() {
    let mut host = host_with(4, Pace::WhenAwaited);
    let (block, _) = block(&mut host, 1);
    host.fill(FIRST, block, 1).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    host.check(FIRST, block, 1).unwrap();
    host.unmap(block).unwrap();
    let complaint = Complaint::UnmappedInUse { unmapped: block, stream: FIRST, used: block };
    assert_eq!(host.complaints(), [complaint]);
}

#[test]
fn wrong_bytes_are_noticed_where_they_begin() {
    let mut host = host(4);
    let (block, _) = block(&mut host, 1);
    host.fill(FIRST, block, 1).unwrap();
    let addr = block.start() + Bytes::new(1001);
    let byte = host.read(FIRST, extent(addr, 1)).unwrap().wait().unwrap()[0];
    host.write(FIRST, addr, [byte ^ 0x55]).unwrap();
    host.check(FIRST, block, 1).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    let mismatch = Mismatch { stream: FIRST, addr, expected: byte, found: byte ^ 0x55 };
    assert_eq!(host.complaints(), [Complaint::Mismatch(mismatch)]);
    assert_eq!(host.fault(), None);
    // The device goes on.
    host.fill(FIRST, block, 2).unwrap();
    host.check(FIRST, block, 2).unwrap();
    host.wait_for_stream(FIRST).unwrap();
    assert_eq!(host.complaints().len(), 1);
}

#[test]
fn what_the_system_has_not_cannot_be_had() {
    let mut host = host(4);
    let size = Bytes::gib(1 << 20);
    assert_eq!(host.reserve(size), Err(DeviceError::OutOfAddresses { requested: size }));
    let reservation = host.reserve(granules(1)).unwrap();
    host.unreserve(reservation).unwrap();
    for granule in [0, 512, 5 * 4096] {
        let setup = HostSetup { granule: Bytes::new(granule), ..HostSetup::new(Bytes::mib(1)) };
        assert!(matches!(Host::new(setup), Err(DeviceError::Invalid { .. })));
    }
}
