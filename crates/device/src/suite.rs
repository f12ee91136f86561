//! What every device must pass.
//!
//! [`check`] makes fresh devices and holds each to one promise of [`Device`]. A device that breaks
//! one stops the program with a sentence that says which. The suite asks for less than a hundred
//! granules at a time, so a real device can run it beside other programs as long as those keep
//! still.

#![expect(clippy::panic, reason = "this is a library of tests: a broken promise stops them")]

use gapless_units::{Addr, Bytes, Extent, StreamId};

use crate::device::{Device, DeviceError, EventId, Handle};

/// What is promised, and what holds a device to it.
type Promise<D> = (&'static str, fn(&mut D));

/// Holds the devices that `make` gives, one for each promise, to all that [`Device`] says.
pub fn check<D: Device>(mut make: impl FnMut() -> D) {
    let promises: [Promise<D>; 15] = [
        ("what is allocated is gone until it is freed", allocation_is_booked),
        ("allocations do not overlap", allocations_lie_apart),
        ("only what was allocated can be freed, once", wrong_frees_are_refused),
        ("a request that does not fit has no effect", refusals_have_no_effect),
        ("a reservation takes addresses and no memory", reservations_take_no_memory),
        ("reservations and allocations do not overlap", reservations_lie_apart),
        ("virtual memory comes in whole granules", odd_sizes_are_refused),
        ("only a whole reservation without mappings goes back", wrong_unreserves_are_refused),
        ("memory is held from its creation to its release", handles_are_booked),
        ("a handle can be mapped again elsewhere", handles_move),
        ("one handle can be mapped twice", handles_can_be_shared),
        ("nothing is mapped outside of reservations or over another", wrong_maps_are_refused),
        ("access is for what is mapped throughout", access_needs_mappings),
        ("unmapping takes whole handles", wrong_unmaps_are_refused),
        ("events end in order, and when they are waited for", events_are_kept),
    ];
    for (promise, holds) in promises {
        let mut device = make();
        let before = device.memory();
        holds(&mut device);
        require(device.memory() == before, promise, "the device is as it was before");
    }
}

/// Stops where something is not so.
#[track_caller]
fn require(is_so: bool, promise: &str, detail: &str) {
    assert!(is_so, "the device breaks its promise: {promise}; this should be so: {detail}");
}

/// What a call gives, which must succeed.
#[track_caller]
fn given<T>(answer: Result<T, DeviceError>, call: &str) -> T {
    answer.unwrap_or_else(|error| panic!("the device should {call}, but: {error}"))
}

/// Stops where a call that makes no sense succeeds, or fails as if it made sense.
#[track_caller]
fn refused<T>(answer: Result<T, DeviceError>, call: &str) {
    match answer {
        Ok(_) => panic!("the device should refuse to {call}, and does not"),
        Err(DeviceError::Invalid { .. } | DeviceError::Driver { .. }) => {}
        Err(
            error @ (DeviceError::OutOfMemory { .. }
            | DeviceError::OutOfAddresses { .. }
            | DeviceError::OutOfMappings { .. }),
        ) => {
            panic!("the device should refuse to {call} as making no sense, and says: {error}")
        }
    }
}

fn granules<D: Device>(device: &D, count: u64) -> Bytes {
    Bytes::new(device.granule().get() * count)
}

fn extent(start: Addr, size: Bytes) -> Extent {
    Extent::between(start, start + size)
}

/// Maps a fresh handle and gives access to it.
fn put<D: Device>(device: &mut D, at: Addr, size: Bytes) -> Handle {
    let handle = given(device.create(size), "create a handle");
    given(device.map(at, handle), "map a handle in a reservation");
    given(device.set_access(extent(at, size)), "give access to what is mapped");
    handle
}

/// Unmaps and releases what [`put`] put.
fn take<D: Device>(device: &mut D, at: Addr, size: Bytes, handle: Handle) {
    given(device.unmap(extent(at, size)), "unmap what is mapped");
    given(device.release(handle), "release a handle");
}

fn allocation_is_booked<D: Device>(device: &mut D) {
    let promise = "what is allocated is gone until it is freed";
    let (size, before) = (granules(device, 4), device.memory());
    let addr = given(device.allocate(size), "allocate four granules");
    let during = device.memory();
    require(during.total == before.total, promise, "the total never changes");
    require(during.free + size <= before.free, promise, "free memory is less by the size");
    given(device.free(addr), "free what it allocated");
    let odd = given(device.allocate(Bytes::new(1)), "allocate a single byte");
    given(device.free(odd), "free a single byte");
}

fn allocations_lie_apart<D: Device>(device: &mut D) {
    let sizes = [1, 512, 1 << 20, device.granule().get(), 3 * device.granule().get() + 1];
    let mut held: Vec<Extent> = Vec::new();
    for round in 0..3 {
        for size in sizes.map(Bytes::new) {
            let new = extent(given(device.allocate(size), "allocate"), size);
            let apart = held.iter().all(|other| !other.overlaps(new));
            require(apart, "allocations do not overlap", "each byte is given to one at a time");
            held.push(new);
        }
        // Addresses that were given back may come again, but not while they are held.
        let gone = held.swap_remove(round);
        given(device.free(gone.start()), "free what it allocated");
    }
    for gone in held {
        given(device.free(gone.start()), "free what it allocated");
    }
}

fn wrong_frees_are_refused<D: Device>(device: &mut D) {
    let size = granules(device, 2);
    let addr = given(device.allocate(size), "allocate");
    refused(device.free(addr + Bytes::new(512)), "free the middle of an allocation");
    given(device.free(addr), "free what it allocated");
    refused(device.free(addr), "free an allocation twice");
    let reservation = given(device.reserve(size), "reserve addresses");
    refused(device.free(reservation.start()), "free a reservation");
    given(device.unreserve(reservation), "give a reservation back");
    refused(device.allocate(Bytes::ZERO), "allocate nothing");
}

fn refusals_have_no_effect<D: Device>(device: &mut D) {
    let promise = "a request that does not fit has no effect";
    let before = device.memory();
    let granule = device.granule();
    let too_much = before.free.round_down(granule) + granule;
    let out = |answer: &DeviceError| matches!(answer, DeviceError::OutOfMemory { .. });
    let allocated = device.allocate(too_much);
    require(allocated.as_ref().is_err_and(out), promise, "allocating fails for want of memory");
    require(device.memory() == before, promise, "nothing is taken by an allocation that fails");
    let created = device.create(too_much);
    require(created.as_ref().is_err_and(out), promise, "creating fails for want of memory");
    require(device.memory() == before, promise, "nothing is taken by a creation that fails");
    let addr = given(device.allocate(granule), "still allocate what fits");
    given(device.free(addr), "free what it allocated");
}

fn reservations_take_no_memory<D: Device>(device: &mut D) {
    let before = device.memory();
    let size = before.total.round_up(device.granule());
    let reservation = given(device.reserve(size), "reserve as many addresses as it has memory");
    let promise = "a reservation takes addresses and no memory";
    require(reservation.size() == size, promise, "it is as long as asked for");
    require(device.memory() == before, promise, "no memory is taken");
    given(device.unreserve(reservation), "give a reservation back");
}

fn reservations_lie_apart<D: Device>(device: &mut D) {
    let size = granules(device, 3);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(given(device.reserve(size), "reserve addresses"));
        held.push(extent(given(device.allocate(size), "allocate"), size));
    }
    let granule = device.granule();
    for (at, one) in held.iter().enumerate() {
        let apart = held[at + 1..].iter().all(|other| !other.overlaps(*one));
        let promise = "reservations and allocations do not overlap";
        require(apart, promise, "each address belongs to one");
        let aligned = one.start().get() % granule.get() == 0;
        require(at % 2 == 1 || aligned, promise, "reservations begin at whole granules");
    }
    for pair in held.chunks(2) {
        given(device.unreserve(pair[0]), "give a reservation back");
        given(device.free(pair[1].start()), "free what it allocated");
    }
}

fn odd_sizes_are_refused<D: Device>(device: &mut D) {
    let odd = granules(device, 1) + Bytes::new(512);
    refused(device.reserve(odd), "reserve a part of a granule");
    refused(device.create(odd), "create a part of a granule");
    refused(device.reserve(Bytes::ZERO), "reserve nothing");
    refused(device.create(Bytes::ZERO), "create nothing");
}

fn wrong_unreserves_are_refused<D: Device>(device: &mut D) {
    let (one, all) = (granules(device, 1), granules(device, 4));
    let reservation = given(device.reserve(all), "reserve addresses");
    let start = reservation.start();
    refused(device.unreserve(extent(start, one)), "give back a part of a reservation");
    let handle = put(device, start + one, one);
    refused(device.unreserve(reservation), "give back a reservation with mappings");
    take(device, start + one, one, handle);
    given(device.unreserve(reservation), "give a reservation back");
    refused(device.unreserve(reservation), "give a reservation back twice");
}

fn handles_are_booked<D: Device>(device: &mut D) {
    let promise = "memory is held from its creation to its release";
    let (size, before) = (granules(device, 2), device.memory());
    let reservation = given(device.reserve(size), "reserve addresses");
    let handle = given(device.create(size), "create a handle");
    let held = device.memory();
    require(held.free + size <= before.free, promise, "creating takes memory");
    given(device.map(reservation.start(), handle), "map a handle");
    given(device.set_access(reservation), "give access to what is mapped");
    require(device.memory() == held, promise, "mapping takes none");
    given(device.unmap(reservation), "unmap what is mapped");
    require(device.memory() == held, promise, "unmapping gives none back while the handle is held");
    given(device.release(handle), "release a handle");
    require(device.memory() == before, promise, "releasing gives it back");
    refused(device.release(handle), "release a handle twice");
    refused(device.map(reservation.start(), handle), "map a handle that is gone");

    let handle = put(device, reservation.start(), size);
    given(device.release(handle), "release a handle that is mapped");
    require(device.memory() == held, promise, "a mapping holds the memory of a released handle");
    refused(device.release(handle), "release a mapped handle twice");
    refused(device.map(reservation.start(), handle), "map a released handle");
    given(device.unmap(reservation), "unmap what is mapped");
    require(device.memory() == before, promise, "its last mapping gives it back");
    given(device.unreserve(reservation), "give a reservation back");
}

fn handles_move<D: Device>(device: &mut D) {
    let one = granules(device, 1);
    let reservation = given(device.reserve(granules(device, 4)), "reserve addresses");
    let (start, later) = (reservation.start(), reservation.start() + granules(device, 3));
    let handle = put(device, start, one);
    given(device.unmap(extent(start, one)), "unmap what is mapped");
    given(device.map(later, handle), "map a handle again at another address");
    given(device.set_access(extent(later, one)), "give access to it there");
    take(device, later, one, handle);
    given(device.unreserve(reservation), "give a reservation back");
}

fn handles_can_be_shared<D: Device>(device: &mut D) {
    let promise = "one handle can be mapped twice";
    let (one, before) = (granules(device, 1), device.memory());
    let reservation = given(device.reserve(granules(device, 3)), "reserve addresses");
    let (start, later) = (reservation.start(), reservation.start() + granules(device, 2));
    let handle = put(device, start, one);
    let held = device.memory();
    given(device.map(later, handle), "map one handle at two addresses");
    given(device.set_access(extent(later, one)), "give access to the second mapping");
    require(device.memory() == held, promise, "the second mapping takes no memory");
    given(device.release(handle), "release a handle that is mapped");
    given(device.unmap(extent(start, one)), "unmap the first mapping");
    require(device.memory() == held, promise, "the second mapping holds the memory");
    given(device.unmap(extent(later, one)), "unmap the second mapping");
    require(device.memory() == before, promise, "the memory goes back with the last mapping");
    given(device.unreserve(reservation), "give a reservation back");
}

fn wrong_maps_are_refused<D: Device>(device: &mut D) {
    let (one, two) = (granules(device, 1), granules(device, 2));
    let reservation = given(device.reserve(granules(device, 4)), "reserve addresses");
    let start = reservation.start();
    let first = put(device, start + one, two);
    let handle = given(device.create(two), "create a handle");
    refused(device.map(start, handle), "map over the start of another mapping");
    refused(device.map(start + one, handle), "map over another mapping");
    refused(device.map(start + two, handle), "map over the end of another mapping");
    refused(device.map(start + two + one, handle), "map past the end of a reservation");
    take(device, start + one, two, first);
    given(device.map(start, handle), "map where nothing is mapped any more");
    take(device, start, two, handle);
    given(device.unreserve(reservation), "give a reservation back");
    let handle = given(device.create(one), "create a handle");
    refused(device.map(start, handle), "map outside of all reservations");
    given(device.release(handle), "release a handle");
}

fn access_needs_mappings<D: Device>(device: &mut D) {
    let one = granules(device, 1);
    let reservation = given(device.reserve(granules(device, 4)), "reserve addresses");
    let start = reservation.start();
    refused(device.set_access(extent(start, one)), "give access to what is not mapped");
    let first = put(device, start, one);
    let third = put(device, start + granules(device, 2), one);
    let over = extent(start, granules(device, 3));
    refused(device.set_access(over), "give access to a range with an unmapped part");
    let second = put(device, start + one, one);
    given(device.set_access(over), "give access to several mappings at once");
    for (at, handle) in [(0, first), (1, second), (2, third)] {
        take(device, start + granules(device, at), one, handle);
    }
    given(device.unreserve(reservation), "give a reservation back");
}

fn wrong_unmaps_are_refused<D: Device>(device: &mut D) {
    let (one, two) = (granules(device, 1), granules(device, 2));
    let reservation = given(device.reserve(granules(device, 6)), "reserve addresses");
    let start = reservation.start();
    refused(device.unmap(extent(start, one)), "unmap what is not mapped");
    let first = put(device, start, two);
    let second = put(device, start + two, two);
    refused(device.unmap(extent(start, one)), "unmap the first half of a handle");
    refused(device.unmap(extent(start + one, one)), "unmap the second half of a handle");
    refused(device.unmap(extent(start, two + one)), "unmap one handle and half of the next");
    refused(device.unmap(extent(start + one, two + one)), "unmap half a handle and the next");
    let both = extent(start, two + two);
    given(device.set_access(both), "keep mappings where an unmapping is refused");
    given(device.unmap(both), "unmap several handles at once");
    refused(device.unmap(both), "unmap twice");
    for handle in [first, second] {
        given(device.release(handle), "release a handle");
    }
    given(device.unreserve(reservation), "give a reservation back");
}

fn events_are_kept<D: Device>(device: &mut D) {
    let promise = "events end in order, and when they are waited for";
    let streams = [StreamId::DEFAULT, StreamId::DEFAULT];
    let events: Vec<EventId> =
        streams.into_iter().map(|s| given(device.record_event(s), "record an event")).collect();
    require(events[0] != events[1], promise, "each event has a name of its own");
    let mut is_later_done = || given(device.is_complete(events[1]), "say whether it is complete");
    if (0..10).any(|_| is_later_done()) {
        let ended = given(device.is_complete(events[0]), "say whether an event is complete");
        require(ended, promise, "what is asked about later ended earlier");
    }
    given(device.wait_for_event(events[1]), "wait for an event");
    for &event in &events {
        let ended = given(device.is_complete(event), "say whether an event is complete");
        require(ended, promise, "the end of later work on a stream is the end of earlier work");
        let still = given(device.is_complete(event), "say it again");
        require(still, promise, "what is complete stays complete");
        given(device.drop_event(event), "forget an event");
        refused(device.is_complete(event), "ask about a forgotten event");
        refused(device.wait_for_event(event), "wait for a forgotten event");
        refused(device.drop_event(event), "forget an event twice");
    }
    let event = given(device.record_event(StreamId::DEFAULT), "record an event");
    given(device.wait_for_stream(StreamId::DEFAULT), "wait for a stream");
    let ended = given(device.is_complete(event), "say whether an event is complete");
    require(ended, promise, "waiting for a stream ends its events");
    given(device.drop_event(event), "forget an event");
}
