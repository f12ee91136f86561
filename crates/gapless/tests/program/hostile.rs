//! Recordings that lie, that try to move the cursor, or that tell little.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::run::{Run, folder, gapless, gapless_reads};

/// A segment of 2 MiB on `device` with blocks of (size, state).
fn segment(device: u32, blocks: &[(u64, &str)]) -> Value {
    let mut address = 1 << 30;
    let blocks: Vec<Value> = blocks
        .iter()
        .map(|&(size, state)| {
            let block = json!({
                "address": address, "size": size, "requested_size": size, "state": state,
                "frames": [{"filename": "/a/\u{1b}[2Jtrain|x.py", "line": 3, "name": "<b>run`\n"}],
            });
            address += size;
            block
        })
        .collect();
    json!({
        "device": device, "address": 1 << 30, "total_size": 2 << 20, "stream": 0,
        "segment_type": "small", "segment_pool_id": [0, 0], "is_expandable": false,
        "frames": [], "blocks": blocks,
    })
}

fn explain(segments: &[Value], arguments: &[&str]) -> Run {
    let snapshot = json!({"segments": segments, "device_traces": []}).to_string();
    let run = gapless_reads(&[&["-"], arguments].concat(), snapshot.as_bytes());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

const HELD: (u64, &str) = (1 << 20, "active_allocated");
const FREE: (u64, &str) = (1 << 20, "inactive");

#[test]
fn a_recording_that_contradicts_itself_is_not_believed() {
    let run = explain(&[segment(0, &[HELD])], &[]);
    assert_snapshot!(run.stdout, @r"
    INCONSISTENT: the blocks of the segment at 0x40000000 cover 1.0 MiB of 2.0 MiB

    device 0 · PyTorch 2.1 to 2.5 · a state without events

    CANNOT TELL. The recording contradicts itself; what follows is what it says, and
    cannot all be true.

    reserved          2.0 MiB  at the end
      requested    ████████████▌               1.0 MiB  50.0 %
      rounding                                       0
      pinned gap   ████████████▌               1.0 MiB  50.0 %  in 1 of 1 segment
      releasable                                     0          nothing to give back

    -v shows findings with evidence, stacks and pools; --format html --output FILE
    draws the memory.
    ");
}

#[test]
fn names_cannot_move_the_cursor() {
    let told = explain(&[segment(0, &[HELD, FREE])], &["-v"]).stdout;
    assert!(told.contains("?[2Jtrain|x.py:3 <b>run`?"), "{told}");
    assert!(!told.contains('\u{1b}'), "{told}");
}

#[test]
fn names_stand_in_markdown_only_as_code() {
    let told = explain(&[segment(0, &[HELD, FREE])], &["--format", "markdown"]).stdout;
    let naming: Vec<(&str, usize)> =
        told.lines().filter_map(|line| line.find("<b>").map(|at| (line, at))).collect();
    assert!(!naming.is_empty(), "{told}");
    for (line, at) in naming {
        let in_quotes = line[..at].matches('`').count() % 2 == 1;
        assert!(in_quotes || line.starts_with("    "), "{line}");
    }
}

#[test]
fn a_state_without_events_comes_with_a_hint() {
    let run = explain(&[segment(0, &[HELD, FREE])], &[]);
    assert_snapshot!(run.stdout, @r"
    device 0 · PyTorch 2.1 to 2.5 · a state without events

    CANNOT TELL. The recording has no requests, only a final state, so it does not
    say whether a request failed. 1.0 MiB of 2.0 MiB reserved are in use (50.0 %).

    reserved          2.0 MiB  at the end
      requested    ████████████▌               1.0 MiB  50.0 %
      rounding                                       0
      pinned gap   ████████████▌               1.0 MiB  50.0 %  in 1 of 1 segment
      releasable                                     0          nothing to give back

    free              1.0 MiB  for 1.0 MiB, the largest block alive
      would serve  █████████████████████████   1.0 MiB 100.0 %  in one gap

    What holds the gaps          gaps held  by live blocks
      ?[2Jtrain|x.py:3 <b>run`?    1.0 MiB  1 block, 1.0 MiB

    -v shows findings with evidence, stacks and pools; --format html --output FILE
    draws the memory.
    ");
    assert_snapshot!(run.stderr.trim_start(), @"hint: to see what happened before the snapshot, call `torch.cuda.memory._record_memory_history()` when the program starts");
    assert_eq!(explain(&[segment(0, &[HELD, FREE])], &["--quiet"]).stderr, "");
}

#[test]
fn devices_of_one_file_are_compared_or_chosen() {
    let segments =
        [segment(0, &[HELD, FREE]), segment(1, &[HELD, FREE]), segment(2, &[FREE, FREE])];
    let snapshot = json!({"segments": segments, "device_traces": []}).to_string();
    let file = folder("devices").join("three.json");
    std::fs::write(&file, snapshot).unwrap();
    let path = file.to_str().unwrap();
    let run = gapless(&[path]);
    let overview: Vec<&str> = run.stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(overview.join("\n"), @r"
    recording   device  verdict      peak reserved  in use  pinned now
    three.json       2  cannot tell        2.0 MiB   0.0 %       0.0 %
    three.json       0  cannot tell        2.0 MiB  50.0 %      50.0 %
    three.json       1  cannot tell        2.0 MiB  50.0 %      50.0 %
    ");
    let one = gapless(&[path, "--device", "1"]);
    assert!(one.stdout.starts_with("device 1 · "), "{}", one.stdout);
}

/// A failure for more than there is anywhere is left out, and sizes of that kind cannot be typed.
#[test]
fn sizes_beyond_all_cards_are_refused() {
    let events = json!([
        {"action": "segment_alloc", "addr": 1 << 30, "size": 2 << 20, "stream": 0},
        {"action": "alloc", "addr": 1 << 30, "size": 1 << 20, "stream": 0},
        {"action": "oom", "size": u64::MAX, "stream": 0, "device_free": 0},
    ]);
    let snapshot = json!({"segments": [segment(0, &[HELD, FREE])], "device_traces": [events]});
    let snapshot = snapshot.to_string();
    for command in ["explain", "advise", "replay", "compare"] {
        let run = gapless_reads(&[command, "-"], snapshot.as_bytes());
        assert_eq!(run.code, Some(0), "{command}: {}", run.stderr);
    }
    let run = gapless_reads(&["-"], snapshot.as_bytes());
    assert!(run.stdout.contains("left out: 1"), "{}", run.stdout);
    let most = u64::MAX.to_string();
    for (command, option) in [
        ("explain", "--capacity"),
        ("replay", "--capacity"),
        ("replay", "--outside"),
        ("advise", "--capacity"),
        ("advise", "--outside"),
        ("advise", "--request"),
    ] {
        let run = gapless(&[command, "any.pickle", option, &most]);
        assert_eq!(run.code, Some(2), "{command} {option}: {}", run.stderr);
        assert!(run.stderr.contains("at most 1.00 PiB"), "{command} {option}: {}", run.stderr);
    }
}

/// A card may be called by as much of its name as no other has; other numbers are bytes.
#[test]
fn a_card_is_known_by_a_part_of_its_name() {
    let list = "alloc,1,1048576,0\n";
    let run = |card: &str| gapless_reads(&["replay", "-", "--capacity", card], list.as_bytes());
    for card in ["4090", "rtx 4090"] {
        assert!(run(card).stdout.contains("24.00 GiB"), "{card}: {}", run(card).stdout);
    }
    assert!(run("1073741824").stdout.contains("1.00 GiB"), "{}", run("1073741824").stdout);
    let several = gapless(&["replay", "any.pickle", "--capacity", "A100"]);
    assert!(several.stderr.contains("several cards are called so"), "{}", several.stderr);
}
