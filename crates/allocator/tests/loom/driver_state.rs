//! Captures and peers: what the whole process tells the driver, while threads allocate.

use gapless_allocator::{AllocationError, SharedAllocator, Slack};
use gapless_device::Locked;
use gapless_units::{Bytes, DeviceId, StreamId};
use loom::thread;

use super::watched::Watched;
use super::{COMPUTE, COPY, check_end, explore};

const SIDE: StreamId = StreamId(2);

/// A graph is captured while another thread is about to wait for a stream, or to ask about it: that is
/// done before the capture begins, or not at all.
#[test]
fn a_capture_meets_a_request_that_waits() {
    explore(Some(3), || {
        let device = Locked::new(Watched::new(Bytes::mib(4), u64::MAX));
        let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
        let mut front = allocator.front();
        let block = front.allocate(Bytes::mib(4), COPY).unwrap();
        front.free(block).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            // Its pages are the other stream's.
            let block = front.allocate(Bytes::mib(4), COMPUTE);
            let is_met = block.map(|block| front.free(block).unwrap()).is_ok();
            // Whatever is refused meanwhile may be had afterwards.
            let _ = other.trim(Bytes::ZERO);
            is_met
        });
        allocator.begin_capture();
        device.with(|device| device.is_capturing = true);
        if let Ok(mut block) = front.allocate(Bytes::mib(4), COPY) {
            block.record_stream(COMPUTE);
            front.free(block).unwrap();
        }
        device.with(|device| device.is_capturing = false);
        allocator.end_capture().unwrap();
        thread.join().unwrap();
        check_end(&allocator, &device);
        assert_eq!(device.with(|device| device.complaint.clone()), None);
    });
}

/// Another device is let in while a request brings pages elsewhere: it has access there.
#[test]
fn a_peer_meets_a_request_that_maps() {
    explore(Some(3), || {
        let device = Locked::new(Watched::new(Bytes::mib(8), u64::MAX));
        let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
        let mut front = allocator.front();
        let before = front.allocate(Bytes::mib(4), COMPUTE).unwrap();
        let guard = front.allocate(Bytes::mib(2), COMPUTE).unwrap();
        front.free(before).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            front.allocate(Bytes::mib(6), COMPUTE).unwrap()
        });
        allocator.enable_peer_access(DeviceId(1)).unwrap();
        for block in [guard, thread.join().unwrap()] {
            let is_open = device.with(|device| device.pieces(block.extent()).is_some());
            assert!(is_open, "{block:?} is closed to the peer");
            front.free(block).unwrap();
        }
        check_end(&allocator, &device);
        assert_eq!(device.with(|device| device.complaint.clone()), None);
    });
}

/// A block is waited for on two streams, and a graph is captured between the two waits: the request is
/// refused for that, or has been served, and never told that the device failed.
#[test]
fn a_capture_meets_a_request_that_waits_twice() {
    explore(Some(2), || {
        let device = Locked::new(Watched::new(Bytes::mib(4), u64::MAX));
        let allocator = SharedAllocator::new(device.clone(), Slack::NONE, ());
        let mut front = allocator.front();
        let mut block = front.allocate(Bytes::mib(4), COMPUTE).unwrap();
        for stream in [COPY, SIDE] {
            device.with(|device| device.queue(stream, block.extent()));
            block.record_stream(stream);
        }
        front.free(block).unwrap();
        let other = allocator.clone();
        let thread = thread::spawn(move || {
            let mut front = other.front();
            match front.allocate(Bytes::mib(4), COMPUTE) {
                Ok(block) => front.free(block).unwrap(),
                Err(AllocationError::OutOfMemory { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        });
        allocator.begin_capture();
        device.with(|device| device.is_capturing = true);
        device.with(|device| device.is_capturing = false);
        allocator.end_capture().unwrap();
        thread.join().unwrap();
        check_end(&allocator, &device);
        assert_eq!(device.with(|device| device.complaint.clone()), None);
    });
}
