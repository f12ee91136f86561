//! What a baseline tells of its life is a recording like any other.

use gapless_allocator::baselines::{
    Baseline, Bfc, BlockId, GmLake, GmLakeSettings, PageSteal, Policy, RmmArena, StreamPool, Tlsf,
};
use gapless_allocator::{Allocator, Recorder};
use gapless_device::{Sim, SimSetup};
use gapless_trace::{DeviceRecording, Settings, Trace};
use gapless_units::{Bytes, DeviceId, StreamId};

/// Uses a device on two streams, empties the cache now and then and everything at the end, and reads
/// the recording.
fn can_be_explained<P: Policy>(settings: P::Settings) {
    let device = Sim::new(SimSetup::new(Bytes::mib(400)));
    let mut allocator = Baseline::<P, _, _>::new(device, settings, Recorder::default());
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
        if step % 150 == 149 {
            assert_eq!(allocator.empty_cache(), Ok(()));
        }
    }
    for block in held {
        assert_eq!(allocator.free(block), Ok(()));
    }
    assert_eq!(allocator.empty_cache(), Ok(()));
    let most = allocator.statistics().reserved_bytes.all.peak;
    let (_, recorder) = allocator.into_parts();
    let recording = DeviceRecording {
        device: DeviceId(0),
        settings: Some(Settings::parse("expandable_segments:True").unwrap_or_default()),
        events: recorder.events,
        // Nothing is held at the end, so that all of it has to be undone.
        end: Some(Vec::new()),
        annotations: Vec::new(),
    };
    let trace = Trace::rebuild(recording).unwrap_or_else(|error| panic!("{error}"));
    assert!(trace.is_consistent(), "{:?}", trace.notes);
    let peak = trace.totals().map(|totals| totals.reserved).max();
    assert_eq!(peak.unwrap_or_default().get(), most);
    assert_eq!(trace.totals().last().map(|totals| totals.reserved), Some(Bytes::ZERO));
}

#[test]
fn its_life_can_be_explained() {
    let stitch_from = Bytes::mib(6);
    can_be_explained::<GmLake>(GmLakeSettings { stitch_from, ..GmLakeSettings::default() });
    can_be_explained::<PageSteal>(<PageSteal as Policy>::Settings::default());
    can_be_explained::<Bfc>(<Bfc as Policy>::Settings::default());
    can_be_explained::<Tlsf>(<Tlsf as Policy>::Settings::default());
    can_be_explained::<StreamPool>(<StreamPool as Policy>::Settings::default());
    can_be_explained::<RmmArena>(<RmmArena as Policy>::Settings::default());
}
