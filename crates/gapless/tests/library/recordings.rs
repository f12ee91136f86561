//! What a recorder keeps, and what becomes of it.

use gapless::allocator::{Allocator, Recorder, SharedAllocator, Slack};
use gapless::device::Locked;
use gapless::formats::Limits;
use gapless::trace::Stacks;
use gapless::units::{Bytes, DeviceId, KIB, Micros};

use super::{COMPUTE, allocator, device};

#[test]
fn who_sets_stacks_is_told_of_lines() {
    let mut it = allocator(8, Recorder::default());
    let recorder = it.observer_mut();
    let line = recorder.stacks.frame("engine.rs", 7, "load");
    recorder.stack = recorder.stacks.stack(&[line]);
    recorder.label = recorder.stacks.label("weights");
    let pairs = [0; 8].map(|_| {
        let small = it.allocate(Bytes::new(512), COMPUTE).unwrap();
        (small, it.allocate(Bytes::new(2048 * KIB - 512), COMPUTE).unwrap())
    });
    for (_, filler) in pairs {
        it.free(filler).unwrap();
    }
    let told = gapless::explain(it.recording(), None).unwrap().to_string();
    assert!(told.contains("engine.rs:7 load"), "{told}");
    let bytes = gapless::snapshot(&it.recording()).unwrap();
    let read = gapless::formats::read(bytes, &Limits::default()).unwrap();
    let first = read.devices[0].events.iter().next().unwrap();
    assert_eq!(read.stacks.text(first.label), "weights");
}

/// Each device of a process has an allocator, and all together one snapshot.
#[test]
fn recordings_of_several_devices_are_one() {
    let of_a_device = |number: u32, lines: u32| {
        let mut it = allocator(4, Recorder::default());
        let recorder = it.observer_mut();
        let frames: Vec<_> = (0..lines)
            .map(|line| recorder.stacks.frame(&format!("{number}.py"), line, "load"))
            .collect();
        recorder.stack = recorder.stacks.stack(&frames);
        recorder.label = recorder.stacks.label("weights");
        assert!(it.allocate(Bytes::mib(9), COMPUTE).is_err());
        let mut recording = it.recording();
        recording.devices[0].device = DeviceId(number);
        recording
    };
    let mut all = of_a_device(0, 1);
    all.merge(of_a_device(1, 3));
    let limits = Limits::default();
    let read = gapless::formats::read(gapless::snapshot(&all).unwrap(), &limits).unwrap();
    assert_eq!(read.devices.len(), 2);
    for (device, (number, lines)) in read.devices.iter().zip([(0, 1), (1, 3)]) {
        assert_eq!(device.device, DeviceId(number));
        let stack = device.events.get(0).stack;
        assert_eq!(read.stacks.frames(stack).len(), lines);
        let file = read.stacks.frames(stack).next().unwrap().file;
        assert_eq!(file, format!("{number}.py"));
    }
}

/// Its fields are anyone's: events whose table of stacks is gone have none.
#[test]
fn a_recorder_may_lose_its_stacks_and_forget() {
    let mut it = allocator(4, Recorder::default());
    let recorder = it.observer_mut();
    let frame = recorder.stacks.frame("a.py", 1, "load");
    recorder.stack = recorder.stacks.stack(&[frame]);
    assert!(it.allocate(Bytes::mib(9), COMPUTE).is_err());
    it.observer_mut().stacks = Stacks::default();
    assert!(gapless::snapshot(&it.recording()).is_ok());
    it.observer_mut().forget();
    assert_eq!(it.recording().devices[0].events.len(), 0);
}

#[test]
fn a_recorder_of_threads_can_be_set() {
    let allocator = SharedAllocator::new(Locked::new(device(8)), Slack::NONE, Recorder::default());
    allocator.with_observer(|recorder| recorder.time = Micros(5));
    let block = allocator.front().allocate(Bytes::mib(2), COMPUTE).unwrap();
    let times = allocator.recording().devices[0].events.times().to_vec();
    assert!(!times.is_empty() && times.iter().all(|&time| time == Micros(5)), "{times:?}");
    allocator.front().free(block).unwrap();
}
