//! What is no recording, and what is asked of one that has no answer: exit code 2, nothing on
//! standard output, and a message that says where and what to do.

use insta::assert_snapshot;

use crate::run::{OOM, POOLS, folder, gapless, gapless_reads, recordings};

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
fn a_device_cannot_have_less_than_it_had() {
    let run = gapless(&["explain", OOM, "--capacity", "26GiB"]);
    assert_eq!(run.code, Some(2));
    let told = "device 0 had 26.51 GiB reserved or free, and 26.00 GiB are less";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    // What is outside leaves as much room for other settings as there was.
    let run = gapless(&["explain", OOM, "--capacity", "40GiB"]);
    assert!(run.stdout.contains("13.49 GiB  of the card"), "{}", run.stdout);
    assert!(run.stdout.contains("expandable_segments:True makes it fit"), "{}", run.stdout);
}

#[test]
fn an_empty_file() {
    assert_snapshot!(refused(b""), @r"
    error: cannot read standard input as a recording
      because: the file is empty

    hint: the program may have ended while it wrote the file
    ");
}

#[test]
fn text_that_is_no_recording() {
    assert_snapshot!(refused(b"Dear diary"), @r#"
    error: cannot read standard input as a recording
      because: it begins with "Dear diary", like no format that gapless reads

    hint: gapless reads what `torch.cuda.memory._dump_snapshot("run.pickle")` writes, and plain lists of operations
    "#);
}

#[test]
fn a_pickle_that_names_a_class() {
    assert_snapshot!(refused(b"\x80\x02cos\nsystem\n(S'x'\ntR."), @r#"
    error: cannot read standard input as a recording
      because: opcode 0x63 (GLOBAL) at byte 2 names `os.system`; a snapshot holds plain data only

    hint: this file was written by `torch.save` or `pickle`; write one with `torch.cuda.memory._dump_snapshot("run.pickle")`
    "#);
}

#[test]
fn a_pickle_that_ends_early() {
    assert_snapshot!(refused(b"\x80\x02}(X\x08\x00\x00\x00segm"), @r"
    error: cannot read standard input as a recording
      because: the text at byte 4 claims 8 bytes, and 4 are left

    hint: the program may have ended while it wrote the file
    ");
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
    assert_snapshot!(refused(b"\x80\x02]."), @r#"
    error: cannot read standard input as a recording
      because: it has neither `segments` nor `device_traces`: it is a list

    hint: gapless reads what `torch.cuda.memory._dump_snapshot("run.pickle")` writes, and plain lists of operations
    "#);
}

#[test]
fn a_snapshot_of_no_device() {
    let snapshot = b"\x80\x02}(X\x08\x00\x00\x00segments]X\x0d\x00\x00\x00device_traces]u.";
    assert_snapshot!(refused(snapshot), @r#"
    error: cannot explain standard input
      because: it tells of no device

    hint: call `torch.cuda.memory._record_memory_history()` before the work and `torch.cuda.memory._dump_snapshot("run.pickle")` after it
    "#);
}

#[test]
fn a_profiler_trace() {
    let trace = br#"{"schemaVersion": 1, "traceEvents": [{"ph": "X", "name": "aten::mm"}]}"#;
    assert_snapshot!(refused(trace), @r#"
    error: cannot read standard input as a recording
      because: it is a profiler trace, which says nothing about segments

    hint: call `torch.cuda.memory._record_memory_history()` before the work and write a snapshot with `torch.cuda.memory._dump_snapshot("run.pickle")`
    "#);
}

#[test]
fn a_planning_problem() {
    assert_snapshot!(refused(b"id,lower,upper,size\n0,0,3,4\n"), @r#"
    error: cannot read standard input as a recording
      because: it is a planning problem (buffers with lifetimes), not a recording

    hint: gapless reads what `torch.cuda.memory._dump_snapshot("run.pickle")` writes, and plain lists of operations
    "#);
}

#[test]
fn an_operation_list_with_a_mistake() {
    assert_snapshot!(refused(b"alloc,1,512,0\nfree\n"), @r"
    error: cannot read standard input as a recording
      because: line 2: `free` takes 1 fields behind its name, not 0
    ");
}

#[test]
fn a_file_that_is_not_there() {
    assert_snapshot!(failed(&["nowhere.pickle"]), @r"
    error: cannot read `nowhere.pickle`
      because: there is no such file
    ");
}

#[test]
fn a_directory() {
    assert_snapshot!(failed(&["."]), @r"
    error: cannot read `.`
      because: it is a directory

    hint: name the files in it, one or several
    ");
}

#[test]
fn a_device_that_was_not_recorded() {
    assert_snapshot!(failed(&[POOLS, "--device", "4"]), @r"
    error: cannot explain `graphs_and_pools.default.pickle.gz`
      because: it tells nothing of device 4, only of device 0
    ");
}

#[test]
fn an_event_past_the_last() {
    assert_snapshot!(failed(&[POOLS, "--at", "8757"]), @r"
    error: cannot explain `graphs_and_pools.default.pickle.gz`
      because: event 8757 was asked for, and it has only 8757, counted from 0
    ");
    assert_eq!(gapless(&[POOLS, "--at", "8756"]).code, Some(0));
}

#[test]
fn a_failure_where_there_is_none() {
    assert_snapshot!(failed(&[POOLS, "--at", "failure"]), @r"
    error: cannot explain `graphs_and_pools.default.pickle.gz`
      because: no request failed in it

    hint: leave `--at` out to look at the end
    ");
}

#[test]
fn a_file_of_costs_without_most_of_its_keys() {
    let file = folder("costs").join("mine.toml");
    std::fs::write(&file, "create_us_per_2mib = 9.0\n").unwrap();
    let told = failed(&["compare", POOLS, "--costs", file.to_str().unwrap()]);
    let told = told.replace(file.to_str().unwrap(), "mine.toml");
    assert_snapshot!(told, @r"
    error: cannot read `mine.toml` as a file of costs
      because: the costs cannot be read: missing field `release_us_per_2mib`

    hint: such a file is TOML with these keys, each a time in microseconds: create_us_per_handle, create_us_per_2mib, release_us_per_handle, release_us_per_2mib, map_us_per_handle, set_access_us_per_call, set_access_us_per_handle, unmap_us_per_call, unmap_us_per_handle, reserve_us, allocate_us, free_us. Those per handle of creating and releasing may be left out
    ");
}
