//! What is no recording, and what is asked of one that has no answer: exit code 2, nothing on
//! standard output, and a message that says where and what to do.

use insta::assert_snapshot;

use crate::run::{POOLS, gapless, gapless_reads, recordings};

/// What the program says about `input`, which it cannot read.
fn refused(input: &[u8]) -> String {
    let run = gapless_reads(&["-"], input);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
    run.stderr
}

/// What the program says about arguments it cannot carry out.
fn failed(arguments: &[&str]) -> String {
    let run = gapless(arguments);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
    run.stderr
}

#[test]
fn an_empty_file() {
    assert_snapshot!(refused(b""), @"");
}

#[test]
fn text_that_is_no_recording() {
    assert_snapshot!(refused(b"Dear diary"), @"");
}

#[test]
fn a_pickle_that_names_a_class() {
    assert_snapshot!(refused(b"\x80\x02cos\nsystem\n(S'x'\ntR."), @"");
}

#[test]
fn a_pickle_that_ends_early() {
    assert_snapshot!(refused(b"\x80\x02}(X\x08\x00\x00\x00segm"), @"");
}

#[test]
fn a_compressed_file_that_ends_early() {
    let mut recording = std::fs::read(recordings().join(POOLS)).unwrap();
    recording.truncate(1000);
    let said = refused(&recording);
    assert!(said.contains("its gzip data is damaged or cut off"), "{said}");
    assert!(said.contains("hint: the file may have been copied in part"), "{said}");
}

#[test]
fn a_pickle_of_something_else() {
    assert_snapshot!(refused(b"\x80\x02]."), @"");
}

#[test]
fn a_snapshot_of_no_device() {
    let snapshot = b"\x80\x02}(X\x08\x00\x00\x00segments]X\x0d\x00\x00\x00device_traces]u.";
    assert_snapshot!(refused(snapshot), @"");
}

#[test]
fn a_profiler_trace() {
    let trace = br#"{"schemaVersion": 1, "traceEvents": [{"ph": "X", "name": "aten::mm"}]}"#;
    assert_snapshot!(refused(trace), @"");
}

#[test]
fn a_planning_problem() {
    assert_snapshot!(refused(b"id,lower,upper,size\n0,0,3,4\n"), @"");
}

#[test]
fn an_operation_list_with_a_mistake() {
    assert_snapshot!(refused(b"alloc,1,512,0\nfree\n"), @"");
}

#[test]
fn a_file_that_is_not_there() {
    assert_snapshot!(failed(&["nowhere.pickle"]), @"");
}

#[test]
fn a_directory() {
    assert_snapshot!(failed(&["."]), @"");
}

#[test]
fn a_device_that_was_not_recorded() {
    assert_snapshot!(failed(&[POOLS, "--device", "4"]), @"");
}

#[test]
fn an_event_past_the_last() {
    assert_snapshot!(failed(&[POOLS, "--at", "8757"]), @"");
    assert_eq!(gapless(&[POOLS, "--at", "8756"]).code, Some(0));
}

#[test]
fn a_failure_where_there_is_none() {
    assert_snapshot!(failed(&[POOLS, "--at", "failure"]), @"");
}
