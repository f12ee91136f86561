//! Small files that would be large if everything they refer to were copied.
//!
//! A pickle refers to what it made before at a few bytes a time. Each file here puts one object in
//! thousands of places; what comes out must stay in proportion to the file.

use gapless_formats::{Limits, read};
use gapless_trace::{DeviceRecording, Recording};
use gapless_units::{Addr, Extent};

/// What a reader may make beside one entry for each byte of the file.
const FREE_ENTRIES: usize = 1 << 18;

fn number(number: i32) -> Vec<u8> {
    [b"J", &number.to_le_bytes()[..]].concat()
}

fn text(text: &str) -> Vec<u8> {
    let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [b"X", &size.to_le_bytes()[..], text.as_bytes()].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [b"](", &items.concat()[..], b"e"].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
    [b"}(", &entries.collect::<Vec<_>>()[..], b"u"].concat()
}

/// An object in `count` places of a list.
fn repeated(object: &[u8], count: usize) -> Vec<u8> {
    list(&[&[[object, b"q\x01"].concat()], &vec![b"h\x01".to_vec(); count - 1][..]].concat())
}

fn event() -> Vec<u8> {
    dict(&[("action", text("alloc")), ("addr", number(512)), ("size", number(512))])
}

fn segment(addr: i32, blocks: Vec<u8>) -> Vec<u8> {
    let device = ("device", number(addr));
    dict(&[device, ("address", number(addr)), ("total_size", number(512)), ("blocks", blocks)])
}

/// Reads a snapshot; where it is not read to its end, it must say so, and only then.
#[track_caller]
fn check(entries: &[(&str, Vec<u8>)], is_cut_off: bool) -> (Recording, usize) {
    let pickle = [b"\x80\x02", &dict(entries)[..], b"."].concat();
    let most = pickle.len() + FREE_ENTRIES;
    let recording = read(pickle, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
    let codes: Vec<_> = recording.notes.iter().map(|note| note.code).collect();
    assert_eq!(codes.contains(&"shared-too-often"), is_cut_off, "{codes:?}");
    (recording, most)
}

fn count(recording: &Recording, of: impl Fn(&DeviceRecording) -> usize) -> usize {
    recording.devices.iter().map(of).sum()
}

fn blocks(device: &DeviceRecording) -> usize {
    device.end.iter().flatten().map(|segment| segment.blocks.len()).sum()
}

#[test]
fn a_trace_in_many_places() {
    let trace = list(&vec![event(); 1000]);
    let (recording, most) = check(&[("device_traces", repeated(&trace, 20_000))], true);
    assert!(count(&recording, |device| device.events.len()) <= most);
    let (recording, _) = check(&[("device_traces", repeated(&trace, 8))], false);
    assert_eq!(count(&recording, |device| device.events.len()), 8000);
}

#[test]
fn a_segment_in_many_places() {
    let block = dict(&[("size", number(512)), ("state", text("inactive"))]);
    let segment = segment(512, repeated(&block, 5000));
    // The pickle keeps the block as object 1 and, once it has made the segment, the segment.
    let (recording, most) = check(&[("segments", repeated(&segment, 20_000))], true);
    assert!(count(&recording, blocks) <= most);
}

#[test]
fn blocks_in_many_segments() {
    let block = dict(&[("size", number(512)), ("state", text("inactive"))]);
    let first = segment(1, [repeated(&block, 5000), b"q\x02".to_vec()].concat());
    let others = (2..2000).map(|addr| segment(addr, b"h\x02".to_vec()));
    let segments: Vec<_> = std::iter::once(first).chain(others).collect();
    let (recording, most) = check(&[("segments", list(&segments))], true);
    assert!(count(&recording, blocks) <= most);
}

fn pinned_segment(addr: i32, pinned: Vec<u8>) -> Vec<u8> {
    let size = ("total_size", number(4096));
    dict(&[("device", number(addr)), ("address", number(addr)), size, ("gapless_pinned", pinned)])
}

#[test]
fn pins_in_many_segments() {
    let pages = list(&vec![list(&[number(512), number(512)]); 5000]);
    let first = pinned_segment(1, [&pages[..], b"q\x02"].concat());
    let others = (2..2000).map(|addr| pinned_segment(addr, b"h\x02".to_vec()));
    let segments: Vec<_> = std::iter::once(first).chain(others).collect();
    let (recording, most) = check(&[("segments", list(&segments))], true);
    let pinned = |device: &DeviceRecording| {
        device.end.iter().flatten().map(|segment| segment.pinned.len()).sum()
    };
    assert!(count(&recording, pinned) <= most);
}

#[test]
fn pins_that_are_none_are_left_out_and_said() {
    let good = list(&[number(512), number(1024)]);
    let pins = [good, list(&[number(512)]), number(7), list(&[number(512), number(-1)])];
    let segment = pinned_segment(512, list(&pins));
    let (recording, _) = check(&[("segments", list(&[segment]))], false);
    let end = recording.devices[0].end.as_deref().unwrap_or_default();
    assert_eq!(end[0].pinned, [Extent::between(Addr::new(512), Addr::new(1536))]);
    let told = &recording.notes[0].text;
    assert!(
        told.contains("pinned pages without an address and a size")
            && told.contains("segments[0].gapless_pinned[1]"),
        "{told}"
    );
}

#[test]
fn a_wide_dict_in_many_places() {
    let keys: Vec<String> = (0..3000).map(|key| format!("key {key}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), b"N".to_vec())).collect();
    let once = dict(&entries);
    let (recording, most) = check(&[("device_traces", list(&[repeated(&once, 100_000)]))], false);
    assert_eq!(count(&recording, |device| device.events.len()), 100_000);
    let twice = [&once[..], b"(", &[text("action"), text("alloc")].concat(), b"u"].concat();
    let (recording, _) = check(&[("device_traces", list(&[repeated(&twice, 100_000)]))], true);
    assert!(count(&recording, |device| device.events.len()) * keys.len() <= 2 * most);
    assert!(recording.notes.len() < 50, "{}", recording.notes.len());
}

#[test]
fn annotations_for_many_devices() {
    let segments: Vec<_> = (0..2000).map(|addr| segment(addr, b"]".to_vec())).collect();
    let annotation = dict(&[("name", text("step")), ("time_us", number(1))]);
    let annotations = ("external_annotations", repeated(&annotation, 10_000));
    let (recording, most) = check(&[("segments", list(&segments)), annotations], true);
    assert!(count(&recording, |device| device.annotations.len()) <= most);
}

#[test]
fn a_long_text_in_many_settings() {
    let long = "x".repeat(1 << 20);
    let first = ("key 0", [text(&long), b"q\x01".to_vec()].concat());
    let keys: Vec<String> = (1..1000).map(|key| format!("key {key}")).collect();
    let others = keys.iter().map(|key| (key.as_str(), b"h\x01".to_vec()));
    let settings = dict(&std::iter::once(first).chain(others).collect::<Vec<_>>());
    let segments = list(&[segment(1, b"]".to_vec())]);
    let (recording, _) = check(&[("segments", segments), ("allocator_settings", settings)], false);
    let settings = recording.devices[0].settings.as_ref().unwrap();
    let longest = settings.others.values().map(|value| value.chars().count()).max();
    assert_eq!((settings.others.len(), longest), (1000, Some(1001)));
}

#[test]
fn a_long_text_in_many_labels_and_frames() {
    let long = [text(&"x".repeat(1 << 20)), b"q\x01".to_vec()].concat();
    let events = (0..5000).map(|index| {
        let long = if index == 0 { long.clone() } else { b"h\x01".to_vec() };
        let metadata = dict(&[("step", number(index)), ("text", long)]);
        let frame = dict(&[("filename", b"h\x01".to_vec()), ("line", number(index))]);
        dict(&[("action", text("alloc")), ("user_metadata", metadata), ("frames", list(&[frame]))])
    });
    let trace = list(&events.collect::<Vec<_>>());
    let (recording, _) = check(&[("device_traces", list(&[trace]))], true);
    let label = recording.stacks.text(recording.devices[0].events.get(0).label);
    assert_eq!(label.chars().count(), 1001);
    assert!(label.starts_with("step=0, text=xxx") && label.ends_with('…'));
}

#[test]
fn a_million_kinds_of_mistakes_make_few_notes() {
    let events = (0..5000).map(|kind| dict(&[("action", text(&format!("explode {kind}")))]));
    let keys: Vec<String> = (0..5000).map(|key| format!("key {key}")).collect();
    let mut entries: Vec<_> = keys.iter().map(|key| (key.as_str(), b"N".to_vec())).collect();
    entries.push(("device_traces", list(&[list(&events.collect::<Vec<_>>())])));
    let (recording, _) = check(&entries, false);
    assert_eq!(recording.notes.len(), 42);
}
