//! Devices and blocks to test with.

use gapless_device::{Device, Handle, Host, HostSetup, Pace};
use gapless_units::{Addr, Bytes, Extent, KIB, StreamId};

pub(crate) const GRANULE: Bytes = Bytes::new(64 * KIB);
pub(crate) const FIRST: StreamId = StreamId(1);
pub(crate) const SECOND: StreamId = StreamId(2);

/// A device of so many granules whose streams work at once.
pub(crate) fn host(count: u64) -> Host {
    host_with(count, Pace::AtOnce)
}

pub(crate) fn host_with(count: u64, pace: Pace) -> Host {
    Host::new(HostSetup { granule: GRANULE, pace, ..HostSetup::new(granules(count)) }).unwrap()
}

pub(crate) fn granules(count: u64) -> Bytes {
    Bytes::new(count * GRANULE.get())
}

pub(crate) fn extent(start: Addr, size: u64) -> Extent {
    Extent::new(start, Bytes::new(size)).unwrap()
}

/// Maps a handle and gives access to it.
pub(crate) fn map(host: &mut Host, block: Extent, handle: Handle) {
    host.map(block.start(), handle).unwrap();
    host.set_access(block).unwrap();
}

/// A reservation with a handle of its own.
pub(crate) fn block(host: &mut Host, count: u64) -> (Extent, Handle) {
    let block = host.reserve(granules(count)).unwrap();
    let handle = host.create(block.size()).unwrap();
    map(host, block, handle);
    (block, handle)
}

/// Waits for a stream, and sees that nothing went wrong.
#[track_caller]
pub(crate) fn finish(host: &mut Host, stream: StreamId) {
    host.wait_for_stream(stream).unwrap();
    assert_eq!(host.complaints(), []);
}
