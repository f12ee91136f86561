//! The screens, exactly as they are seen.

use insta::assert_snapshot;

use crate::run::{OF_A_CARD, OOM, POOLS, gapless, program};

#[test]
fn a_failure_by_fragmentation_is_explained_on_one_screen() {
    let run = gapless(&[OOM]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @r"
    device 0 · PyTorch 2.14 or later · default settings
    23,988 events, ends out of memory

    FRAGMENTATION. 1.46 GiB were asked for. 1.43 GiB were free on the card and
    2.68 GiB in the cache: enough together, but live blocks pin every gap, and the
    largest is 89.5 MiB. Asked for at loss_utils.py:42 fixed_cross_entropy.

    reserved        25.08 GiB  when the request failed
      requested    ██████████████████▊   22.38 GiB  89.2 %
      rounding     ▏                      13.5 MiB   0.1 %
      pinned gap   ██▎                    2.68 GiB  10.7 %  in 166 of 280 segments
      releasable                                 0          nothing to give back

    free             2.68 GiB  for the 1.46 GiB asked for
      other sizes  ▏                       2.5 MiB   0.1 %  12 gaps, up to 512.0 KiB
      too small    █████████████████████  2.68 GiB  99.9 %  157 gaps, up to 89.5 MiB

    What holds the gaps                             gaps held  by live blocks
      modeling_llama.py:66 forward                   1.22 GiB  66 blocks, 3.09 GiB
      sdpa_attention.py:29 repeat_kv                595.0 MiB  32 blocks, 1.50 GiB
      sdpa_attention.py:193 sdpa_attention_forward  389.8 MiB  38 blocks, 1.88 GiB
      modeling_llama.py:147 apply_rotary_pos_emb    297.5 MiB  16 blocks, 766.5 MiB
      modeling_llama.py:63 forward                  108.7 MiB  6 blocks, 574.9 MiB
      9 more places                                 111.4 MiB

    Ransom: 23.5 MiB. If 123 live blocks (mostly from sdpa_attention.py:193
    sdpa_attention_forward) were elsewhere, whole segments would go back to the
    card: enough for the 1.46 GiB.

    Prescription: expandable_segments:True makes it fit; see `gapless advise`.

    What to change first
        2.68 GiB  10.2 %  sizes vary at 17 lines [varying_sizes]
                          Pad the heaviest line to 5 sizes instead of 9:
                          32.0 MiB, 47.9 MiB, 74.2 MiB, 86.7 MiB, 131.7 MiB. The …
        4.13 GiB  15.6 %  the cache went back twice to make room [flush_and_retry]
                          Leave more room, or make sizes repeat.
       311.8 MiB   1.2 %  840 short-lived buffers at 5 lines [churn]
                          Where the sizes repeat, make the buffer once and write …

    -v shows findings with evidence, stacks and pools; --format html --output FILE
    draws the memory.
    ");
    assert!(run.stdout.lines().count() <= 42, "one screen");
}

#[test]
fn a_recording_that_fits_says_so() {
    let run = gapless(&[POOLS]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @r"
    device 0 · PyTorch 2.14 or later · default settings · 8,757 events

    IT FITS. No request failed in this recording. 1.42 GiB were in use at the peak
    and 1.66 GiB reserved: 241.6 MiB more than was needed at once (14.2 %).

    reserved         1.26 GiB  at the end
      requested    █████████████████████▌   1.18 GiB  93.7 %
      rounding     ▏                         3.3 MiB   0.3 %
      pinned gap   ▍                        23.6 MiB   1.8 %  in 4 of 53 segments
      releasable   █                        54.0 MiB   4.2 %  private pools keep it

    free             77.6 MiB  for 32.0 MiB, the largest of late (event 8,740)
      other pool   ████████████████████     67.7 MiB  87.2 %  7 gaps, up to 32.0 MiB
      other sizes  ▋                         1.9 MiB   2.5 %  2 gaps, up to 1.9 MiB
      too small    ██▍                       8.0 MiB  10.3 %  in one gap

    What holds the gaps                                gaps held  by live blocks
      modeling_llama.py:468 forward                     13.7 MiB  2 blocks, 70.3 MiB
      modeling_llama.py:228 __init__                     8.0 MiB  1 block, 8.0 MiB
      workloads.py:98 ints                               1.9 MiB  1 block, 1.0 KiB
      modeling_llama.py:87 __init__                        256 B  1 block, 512 B
      modeling_llama.py:105 compute_default_rope_par…      256 B  1 block, 512 B

    Prescription: expandable_segments:True,large_segment_size_mb:12 saves 184.0 MiB;
    see `gapless advise`.

    What to change first
        67.7 MiB   4.0 %  67.7 MiB are free in private pools [stranded_in_pools]
                          Let graphs share one pool, capture the largest shape
                          first, drop graphs that are no longer replayed. …
        53.7 MiB   3.2 %  sizes vary at 5 lines [varying_sizes]
                          Pad the heaviest line to 4 sizes instead of 11: …
        32.0 MiB   1.9 %  320 short-lived buffers at 1 line [churn]
                          Where the sizes repeat, make the buffer once and write …

    -v shows findings with evidence, stacks and pools; --format html --output FILE
    draws the memory.
    ");
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
    assert_snapshot!(run.stdout, @r"
    device 0 · 1 event

    CANNOT TELL. The recording says what was asked for, not where it was placed. At
    most 512 B were in use at once.

    in use              512 B  at the end
      requested    █████████████████████████████████████████████     512 B 100.0 %

    -v shows findings with evidence, stacks and pools; --format html --output FILE
    draws the memory.
    ");
}

#[test]
fn a_long_recording_says_where_to_look_for_a_prescription() {
    let run = gapless(&[OF_A_CARD]);
    let told = "Prescription: not looked for in so long a recording; see `gapless advise`.";
    assert!(run.stdout.contains(told), "{}", run.stdout);
}
