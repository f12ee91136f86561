//! What the allocator tells of its life is a recording like any other, and its final state agrees.

use gapless_allocator::{Allocator, BlockId, GaplessAllocator, Recorder, Slack};
use gapless_device::{Sim, SimSetup};
use gapless_trace::{DeviceRecording, Settings, Trace};
use gapless_units::{Bytes, DeviceId, StreamId};

#[test]
fn its_life_can_be_explained() {
    let device = Sim::new(SimSetup::new(Bytes::mib(400)));
    let mut allocator = GaplessAllocator::new(device, Slack::NONE, Recorder::default());
    let mut held: Vec<BlockId> = Vec::new();
    for step in 0..600_u64 {
        let size = 1 + step * 7_919_003 % 9_000_000;
        if let Ok(block) = allocator.allocate(Bytes::new(size), StreamId(step % 2)) {
            held.push(block);
        }
        if 20 < held.len() {
            let block = held.swap_remove(usize::try_from(step % 20).unwrap_or_default());
            assert_eq!(allocator.free(block), Ok(()));
        }
    }
    let (statistics, end) = (allocator.statistics(), allocator.segments());
    let shown: Bytes = end.iter().map(|segment| segment.size).sum();
    let (_, recorder) = allocator.into_parts();
    let recording = DeviceRecording {
        device: DeviceId(0),
        settings: Some(Settings::parse("expandable_segments:True").unwrap_or_default()),
        events: recorder.events,
        end: Some(end),
        annotations: Vec::new(),
    };
    let trace = Trace::rebuild(recording).unwrap_or_else(|error| panic!("{error}"));
    assert!(trace.is_consistent(), "{:?}", trace.notes);
    let last = trace.totals().last().unwrap_or_default();
    assert_eq!(last.reserved, shown);
    assert_eq!(last.allocated.get(), statistics.allocated_bytes.all.current);
    assert_eq!(last.requested.get(), statistics.requested_bytes.all.current);
}
