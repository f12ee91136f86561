//! Every schema and encoding of a snapshot, from the small files that the fuzzers start from.

#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

use std::path::Path;

use gapless_formats::{Limits, ReadError, read};
use gapless_trace::{Recording, Release, Totals, Trace};
use gapless_units::{Bytes, MIB, PoolId, StreamId};

fn seed(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/recording");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn recording(name: &str) -> Recording {
    read(seed(name), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn traces(recording: Recording) -> Vec<Trace> {
    let rebuilt = recording.devices.into_iter().map(Trace::rebuild);
    rebuilt.map(|trace| trace.unwrap_or_else(|refused| panic!("{refused}"))).collect()
}

fn totals(requested: u64, blocks: u64, reserved: u64) -> Totals {
    Totals {
        requested: Bytes::new(requested),
        allocated: Bytes::new(blocks),
        active: Bytes::new(blocks),
        reserved: Bytes::new(reserved),
    }
}

#[track_caller]
fn check_notes(recording: &Recording, expected: &[&str]) {
    let texts: Vec<_> = recording.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn every_encoding_says_the_same() {
    let names = (0..=5).map(|protocol| format!("protocol{protocol}.pickle"));
    let others = ["plain.json", "plain.pickle.gz", "plain.pickle.zst"].map(str::to_owned);
    for name in names.chain(others) {
        let recording = recording(&name);
        check_notes(&recording, &[]);
        let stacks = recording.stacks.clone();
        let [trace] = &traces(recording)[..] else { panic!("{name}: one device") };
        assert_eq!(trace.peak_totals(), totals(1500, 1536, 2 * MIB), "{name}");
        assert_eq!(trace.end_totals(), totals(1000, 1024, 2 * MIB), "{name}");
        assert_eq!(trace.events.len(), 5, "{name}");
        assert_eq!(trace.annotations.len(), 1, "{name}");
        let innermost = stacks.frames(trace.allocations[0].stack).next().unwrap();
        assert_eq!((innermost.file, innermost.line), ("/home/me/train.py", 7), "{name}");
        assert!(trace.is_consistent(), "{name}: {:?}", trace.notes);
    }
}

#[test]
fn blocks_of_old_releases_have_a_history_and_no_address() {
    let recording = recording("history.pickle");
    let framework = recording.framework.clone().unwrap();
    assert_eq!(framework.first, Some(Release::new(1, 13)));
    assert_eq!(framework.last, Some(Release::new(2, 0)));
    let trace = &traces(recording)[0];
    assert_eq!(trace.end_totals(), totals(1000, 1024, 2 * MIB));
    assert_eq!(trace.allocations[0].addr.get(), 0x7f00_0000_0200);
    assert!(trace.allocations[0].stack.is_some());
}

#[test]
fn a_bare_list_of_segments_is_a_snapshot_too() {
    let trace = &traces(recording("bare_list.pickle"))[0];
    assert_eq!(trace.end_totals(), totals(1000, 1024, 2 * MIB));
}

#[test]
fn devices_pools_streams_and_failures_are_kept_apart() {
    let recording = recording("two_devices.pickle");
    check_notes(&recording, &[]);
    let stacks = recording.stacks.clone();
    let [first, second] = &traces(recording)[..] else { panic!("two devices") };
    let failed = first.events.get(first.failure().unwrap());
    assert_eq!((failed.size, failed.device_free()), (Bytes::mib(64), Bytes::mib(30)));
    let settings = second.settings.as_ref().unwrap();
    assert!(settings.expandable_segments);
    assert_eq!(settings.max_split_size, None);
    let state = second.state_at(second.end());
    assert_eq!(state.segments[0].page, Some(Bytes::mib(20)));
    assert_eq!(state.segments[0].blocks.last().map(|block| block.pending), Some(true));
    assert_eq!(state.segments[1].pool, PoolId(0, 1));
    assert_eq!(state.segments[1].stream, StreamId(77));
    assert_eq!(stacks.text(second.events.get(1).label), "phase=fwd");
}

#[test]
fn the_pickler_of_the_cpp_side_writes_addresses_as_signed() {
    let trace = &traces(recording("cpp_writer.pickle"))[0];
    let state = trace.state_at(trace.end());
    assert_eq!(state.segments[0].extent.start().get(), u64::MAX - (1 << 32) + 1);
}

#[test]
fn what_cannot_be_is_left_out_and_said() {
    let recording = recording("impossible.pickle");
    check_notes(
        &recording,
        &[
            "a segment without an address, first at segments[3]",
            "an entry whose action is no text, first at device_traces[0][4], where it is 7",
            "an entry whose address is no 64-bit number, first at device_traces[0][7], \
             where it is 1180591620717411303424",
            "an entry whose size is no number of bytes, first at device_traces[0][1], where it is -5",
            "an entry with the unknown action \"explode\", first at device_traces[0][6]",
            "an entry without an action, first at device_traces[0][5]",
            "unknown key \"surprise\" of the snapshot: not used",
        ],
    );
    let trace = &traces(recording)[0];
    assert!(!trace.is_consistent());
    let codes: Vec<_> = trace.notes.iter().map(|note| note.code).collect();
    assert!(codes.contains(&"impossible-extent"), "{codes:?}");
    assert!(codes.contains(&"impossible-blocks"), "{codes:?}");
    assert!(codes.contains(&"overlapping-segments"), "{codes:?}");
}

#[test]
fn lists_that_hold_themselves_end() {
    assert!(recording("cyclic.pickle").devices.len() < 3);
}

#[test]
fn files_that_are_something_else_are_called_by_name() {
    let check = |bytes: &[u8], message: &str| match read(bytes.to_vec(), &Limits::default()) {
        Ok(_) => panic!("{message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    };
    check(b"", "the file is empty");
    check(b" \n", "the file is empty");
    check(b"PK\x03\x04rest", "it is a zip archive as `torch.save` writes them");
    check(
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        "it is a series of pickles as `torch.save` wrote them before 1.6",
    );
    check(
        b"id,lower,upper,size\n0,0,1,4\n",
        "it is a planning problem (buffers with lifetimes), not a recording",
    );
    check(
        b"{\"schemaVersion\": 1, \"traceEvents\": []}",
        "it is a profiler trace, which says nothing about segments",
    );
    check(b"<!DOCTYPE html><p>", "it is a web page");
    check(b"[1, 2]", "it has neither `segments` nor `device_traces`: it is a list");
    check(
        b"{\"weights\": 1}",
        "it has neither `segments` nor `device_traces`: it is a dict with the keys [\"weights\"]",
    );
    check(b"hello world", "it begins with \"hello world\", like no format that gapless reads");
    check(b"\x80\x02]q\x00(K", "it ends at byte 7, inside of the pickle");
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let mut packed = Vec::new();
    let mut gzip = flate2::GzBuilder::new().write(&mut packed, flate2::Compression::best());
    for _ in 0..200 {
        std::io::Write::write_all(&mut gzip, &vec![b']'; 1 << 20]).unwrap();
    }
    gzip.finish().unwrap();
    let error = read(packed, &Limits::default()).unwrap_err();
    assert!(matches!(error, ReadError::Unpack(_)), "{error}");
    assert!(error.to_string().contains("unpacks to more than"), "{error}");
}

#[test]
fn cut_off_compression_says_how_far_it_came() {
    let mut packed = seed("plain.pickle.gz");
    packed.truncate(packed.len() / 2);
    let error = read(packed, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("its gzip data is damaged or cut off after"), "{error}");
}
