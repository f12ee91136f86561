//! How the program ends, and what it leaves behind.

use std::io::Write;
use std::process::Stdio;

use crate::run::{OOM, POOLS, folder, gapless, gapless_reads, program, recordings};

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = program(&["explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let recording = std::fs::read(recordings().join(POOLS)).unwrap();
    child.stdin.take().unwrap().write_all(&recording).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn standard_input_is_told_like_a_file() {
    let recording = std::fs::read(recordings().join(POOLS)).unwrap();
    let run = gapless_reads(&["-"], &recording);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.stdout, gapless(&[POOLS]).stdout);
}

#[test]
fn results_can_go_to_a_file() {
    let file = folder("output").join("report.txt");
    let run = gapless(&[OOM, "--output", file.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), gapless(&[OOM]).stdout);
}

#[test]
fn a_recording_is_never_replaced_by_its_report() {
    let file = folder("replace").join("run.pickle.gz");
    std::fs::copy(recordings().join(POOLS), &file).unwrap();
    let path = file.to_str().unwrap();
    let run = gapless(&[path, "--output", path]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("it is the recording to read"), "{}", run.stderr);
    let kept = std::fs::read(&file).unwrap();
    assert_eq!(kept, std::fs::read(recordings().join(POOLS)).unwrap());
}

#[test]
fn a_page_draws_one_recording() {
    let run = gapless(&[POOLS, OOM, "--format", "html"]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("cannot put 2 recordings into one page or snapshot"),
        "{}",
        run.stderr
    );
    let page = gapless(&[POOLS, "--format", "html"]);
    assert_eq!(page.code, Some(0));
    assert!(page.stdout.trim_start().to_ascii_lowercase().starts_with("<!doctype html>"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in ["text", "json", "markdown", "html"] {
        let told = || gapless(&[OOM, "--format", format, "-v"]).stdout;
        assert!(told() == told(), "{format}");
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for arguments in [
        &["--at", "never", OOM][..],
        &["--capacity", "lots", OOM],
        &["--format", "sung", OOM],
        &["--no-such-option", OOM],
        &["explain"],
    ] {
        let run = gapless(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
}

#[test]
fn help_and_version_are_results() {
    for arguments in [&["--help"][..], &["--version"], &["help", "explain"]] {
        let run = gapless(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
