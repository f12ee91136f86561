//! The screens, exactly as they are seen.

use insta::assert_snapshot;

use crate::run::{OOM, POOLS, gapless, program};

#[test]
fn a_failure_by_fragmentation_is_explained_on_one_screen() {
    let run = gapless(&[OOM]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @"");
    assert!(run.stdout.lines().count() <= 40, "one screen");
}

#[test]
fn a_recording_that_fits_says_so() {
    let run = gapless(&[POOLS]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @"");
}

#[test]
fn everything_is_told_when_asked_for() {
    let run = gapless(&[OOM, "--verbose"]);
    for heading in ["Curves", "Iterations: 2, marked by", "The request that failed", "Pools"] {
        assert!(run.stdout.lines().any(|line| line.starts_with(heading)), "{heading}");
    }
    assert!(run.stdout.contains("transformers/models/llama/modeling_llama.py:66 forward"));
}

#[test]
fn no_line_is_wider_than_a_terminal_of_80_columns() {
    for name in [OOM, POOLS, "vit_prefetch_streams.mss128_late.pickle.gz"] {
        for line in gapless(&[name]).stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn a_bare_file_means_explain() {
    assert_eq!(gapless(&[OOM]).stdout, gapless(&["explain", OOM]).stdout);
}

#[test]
fn any_event_can_be_looked_at() {
    let run = gapless(&[OOM, "--at", "12000"]);
    assert!(run.stdout.contains("No request failed up to here"), "{}", run.stdout);
    assert!(run.stdout.contains("after event 12,000"), "{}", run.stdout);
    assert_eq!(gapless(&[OOM, "--at", "failure"]).stdout, gapless(&[OOM]).stdout);
    assert_eq!(gapless(&[OOM, "--at", "end"]).stdout, gapless(&[OOM]).stdout);
}

#[test]
fn color_is_used_only_where_it_is_wanted() {
    let escapes = |run: &crate::run::Run| run.stdout.contains('\u{1b}');
    let always = gapless(&[OOM, "--color", "always"]);
    assert!(escapes(&always));
    let plain = gapless(&[OOM]);
    assert!(!escapes(&plain), "a pipe is no terminal");
    assert!(!escapes(&gapless(&[OOM, "--color", "never"])));
    let no_color = program(&[OOM]).env("NO_COLOR", "1").output().map(crate::run::Run::new);
    assert!(!escapes(&no_color.unwrap()));
    let stripped = anstream::adapter::strip_str(&always.stdout).to_string();
    assert_eq!(stripped, plain.stdout, "color says nothing by itself");
}

#[test]
fn a_hint_says_how_to_record_what_is_missing() {
    let list = "alloc,1,512,0\n";
    let file = crate::run::folder("hint").join("list.csv");
    std::fs::write(&file, list).unwrap();
    let run = gapless(&[file.to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @"");
}
