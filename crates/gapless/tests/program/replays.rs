//! What `gapless replay` prints, and how it ends.

use std::path::Path;

use gapless::allocator::{Allocator, GaplessAllocator, Recorder, Slack};
use gapless::device::{Sim, SimSetup};
use gapless::formats::Limits;
use gapless::trace::Action;
use gapless::units::{Bytes, StreamId};
use serde_json::Value;

use crate::run::{
    GAPS, LATE, OF_A_CARD, OOM, POOLS, TOO_MUCH, folder, gapless, gapless_reads, recordings,
};

fn json(arguments: &[&str]) -> Value {
    gapless(arguments).json()
}

#[test]
fn a_recording_comes_back_under_its_own_settings() {
    for recording in [OOM, POOLS, LATE] {
        let facts = json(&["replay", recording, "--format", "json"]);
        assert_eq!(facts["schema"], "gapless.replay/1");
        let run = &facts["runs"][0];
        let fidelity = &run["fidelity"];
        assert_eq!(fidelity["equal"], fidelity["events"], "{recording}");
        assert_eq!(fidelity["first_difference"], Value::Null);
        let causes = run["ledger"]["causes"].as_array().unwrap();
        let sum: u64 = causes.iter().map(|cause| cause["bytes"].as_u64().unwrap()).sum();
        assert_eq!(run["ledger"]["reserved_bytes"], sum);
        let segments = run["end"]["segments"].as_array().unwrap();
        let held: u64 = segments.iter().map(|s| s["size_bytes"].as_u64().unwrap()).sum();
        assert_eq!(run["end"]["reserved_bytes"], held);
    }
}

/// The warm start is taken as it was: the replayed peak is the recorded one.
#[test]
fn a_late_recording_begins_with_what_was_there() {
    let run = &json(&["replay", LATE, "--format", "json"])["runs"][0];
    assert_eq!(run["warm"], true);
    assert_eq!(run["peak"], run["recorded_peak"]);
}

#[test]
fn the_contract_of_the_schema_is_kept() {
    let facts = json(&["replay", OOM, "--capacity", "26GiB", "--format", "json"]);
    let run = &facts["runs"][0];
    for key in [
        "device",
        "allocator",
        "settings",
        "framework",
        "capacity_bytes",
        "completed",
        "failure",
        "peak",
        "end",
        "counters",
        "modelled_us",
        "ledger",
        "verdict",
        "fidelity",
    ] {
        assert!(run.get(key).is_some(), "{key}");
    }
    assert_eq!(run["completed"], false);
    assert_eq!(run["capacity_bytes"], 26_u64 << 30);
    assert!(run["failure"]["requested_bytes"].is_u64());
    assert!(run["verdict"]["kind"].is_string());
    let counters = &run["counters"];
    for key in ["alloc_retries", "ooms", "device_allocs", "device_frees", "maps", "unmaps"] {
        assert!(counters[key].is_u64(), "{key}");
    }
    assert_eq!(run["statistics"]["num_ooms"], 1);
}

#[test]
fn expandable_segments_would_have_held_it() {
    let arguments =
        ["replay", OOM, "--settings", "expandable_segments:True", "--capacity", "27GiB"];
    let run = gapless(&arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("FITS. 27.00 GiB hold it"), "{}", run.stdout);
    let run = gapless(&["replay", OOM, "--capacity", "27GiB"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("DOES NOT FIT."), "{}", run.stdout);
}

#[test]
fn less_than_what_is_alive_cannot_fit() {
    let run = gapless_reads(&["replay", "-", "--capacity", "1GiB", "--outside", "0"], TOO_MUCH);
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!(run.stdout.split("\n\n").nth(2).unwrap_or_default(), @r"
    DOES NOT FIT. Operation 1 (event 1) asked for 600.0 MiB. The card had 424.0 MiB
    left. It cannot fit: what is alive alone needs 1.17 GiB.
    ");
}

#[test]
fn a_failure_can_be_skipped() {
    let arguments = ["replay", "-", "--capacity", "1GiB", "--outside", "0", "--on-failure", "skip"];
    let run = gapless_reads(&[&arguments[..], &["--format", "json"]].concat(), TOO_MUCH);
    let facts: Value = serde_json::from_str(&run.stdout).unwrap();
    let run = &facts["runs"][0];
    assert_eq!(run["failures"].as_array().unwrap().len(), 1);
    assert_eq!(run["operations_done"], 4);
    assert_eq!(run["end"]["allocated_bytes"], 0);
}

#[test]
fn what_a_replay_records_is_explained_and_replayed_again() {
    let file = folder("record").join("replayed.pickle");
    let path = file.to_str().unwrap();
    let settings = "max_split_size_mb:128";
    let run = gapless(&["replay", OOM, "--settings", settings, "--record", path]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let again = json(&["replay", path, "--format", "json"]);
    let again = &again["runs"][0];
    assert_eq!(again["settings"], settings);
    assert_eq!(again["fidelity"]["equal"], again["fidelity"]["events"]);
    assert_eq!(again["peak"], again["recorded_peak"]);
}

/// The recorded lines stand beside what the replayed allocator does.
#[test]
fn what_a_replay_records_names_the_recorded_lines() {
    let file = folder("lines").join("replayed.pickle");
    let path = file.to_str().unwrap();
    let lines = |path: &Path| -> Vec<String> {
        let bytes = std::fs::read(path).unwrap();
        let read = gapless::formats::read(bytes, &Limits::default()).unwrap();
        let requests = read.devices[0].events.iter().filter(|it| it.action == Action::Alloc);
        let innermost = requests.map(|event| {
            let frame = read.stacks.frames(event.stack).next();
            frame.map_or_else(String::new, |frame| format!("{}:{}", frame.file, frame.line))
        });
        innermost.collect()
    };
    let recorded = lines(&recordings().join(OOM));
    assert!(3000 < recorded.iter().filter(|line| !line.is_empty()).count());
    for allocator in ["caching", "gapless"] {
        gapless(&["replay", OOM, "--allocator", allocator, "--record", path]);
        let replayed = lines(&file);
        // A block that is there at the end may know its line where the event does not.
        let is_it = |part: &[String]| {
            part.iter().zip(&recorded).all(|(ours, line)| line.is_empty() || ours == line)
        };
        // Through ours it begins with what was there before.
        assert!(replayed.windows(recorded.len()).any(is_it), "{allocator}");
    }
}

/// It does what `compare` says, and its record is one of our own allocator.
#[test]
fn our_own_allocator_can_be_replayed_and_recorded() {
    let file = folder("ours").join("ours.pickle");
    let path = file.to_str().unwrap();
    let arguments =
        ["replay", POOLS, "--allocator", "gapless", "--record", path, "--format", "json"];
    let run = &json(&arguments)["runs"][0];
    assert_eq!(run["allocator"], "gapless");
    assert_eq!(run["settings"], "slack:0.01");
    assert_eq!(run["framework"], Value::Null);
    let compared = json(&["compare", POOLS, "--allocators", "gapless", "--format", "json"]);
    let ours = &compared["allocators"][0];
    assert_eq!(run["peak"]["reserved_bytes"], ours["uncapped_peak_reserved_bytes"]);
    assert_eq!(run["counters"]["maps"], ours["device_calls"]["map"]);
    assert_eq!(run["counters"]["stalls"], 0);
    let explained = json(&["explain", path, "--format", "json"]);
    assert_eq!(explained["recording"]["framework"]["name"], "gapless");
    let device = &explained["devices"][0];
    assert_eq!(device["peak"]["reserved_bytes"], run["peak"]["reserved_bytes"]);
    let findings = device["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| &finding["code"]).collect();
    assert!(!codes.iter().any(|&code| code == "flush_and_retry"), "{codes:?}");
    let again = gapless(&["replay", path, "--allocator", "gapless"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(
        again.stdout.contains("UNCHECKED. The recording is of gapless' own"),
        "{}",
        again.stdout
    );
}

#[test]
fn our_own_allocator_can_be_set_and_fail() {
    let ours = ["replay", "-", "--allocator", "gapless", "--capacity", "1GiB", "--outside", "0"];
    let run = gapless_reads(&ours, TOO_MUCH);
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!(run.stdout, @r"
    - · device 0 · slack:0.01 (the default) · gapless' own allocator
    1.00 GiB, 0 of it outside

    UNCHECKED. The recording does not tell where its blocks were placed, so nothing
    says how well the replay meets the program it was made of.

    DOES NOT FIT. Operation 1 (event 1) asked for 600.0 MiB. The card had 424.0 MiB
    left. It cannot fit: what is alive alone needs 1.17 GiB.

                                    replayed
    peak requested                 600.0 MiB
    peak in use                    600.0 MiB
    peak reserved                  606.0 MiB
    reserved and not in use            1.0 %
    waited for the device            0 times
    calls of the device                  608
    their time, costs pessimistic    71.8 ms

    reserved        600.0 MiB  when the request failed
      requested    █████████████████████████ 600.0 MiB 100.0 %
      rounding                                       0
      pinned gap                                     0
      releasable                                     0          nothing to give back

    outside                 0  of the card: context, libraries, other processes
    ");
    let set = [&ours[..], &["--page", "16MiB", "--slack", "0", "--format", "json"]].concat();
    let run = gapless_reads(&set, GAPS);
    let facts: Value = serde_json::from_str(&run.stdout).unwrap();
    let run = &facts["runs"][0];
    assert_eq!(run["settings"], "slack:0,page:16MiB");
    assert_eq!(run["peak"]["reserved_bytes"].as_u64().unwrap() % (16 << 20), 0);
}

/// A recording that comes back is run again on another card, which may come to other figures.
#[test]
fn what_differs_from_an_exact_recording_is_said_to_be_another_card() {
    let told = "What follows is the same on another card, with addresses and a limit of its own.";
    let says = |arguments: &[&str]| gapless(arguments).stdout.replace('\n', " ").contains(told);
    assert!(says(&["replay", OOM]));
    assert!(!says(&["replay", OF_A_CARD]), "all figures are as recorded");
    assert!(!says(&["replay", OOM, "--settings", "expandable_segments:True"]));
}

#[test]
fn wrong_conditions_are_named() {
    let run = gapless(&["replay", OOM, "--settings", "expandable_segments:true"]);
    assert_eq!(run.code, Some(2));
    insta::assert_snapshot!(run.stderr, @r"
    error: invalid value 'expandable_segments:true' for '--settings <SETTINGS>': `expandable_segments` takes True or False, not `true` at character 21

        expandable_segments:true
                            ^

    For more information, try '--help'.
    ");
    let run = gapless(&["replay", OOM, "--capacity", "A100"]);
    assert!(run.stderr.contains("A100 40GB, A100 80GB"), "{}", run.stderr);
    let run = gapless(&["replay", OOM, "--allocator", "jemalloc"]);
    assert!(run.stderr.contains("possible values: caching, gapless"), "{}", run.stderr);
    for (flags, of) in [
        (["--settings", ""], "`--settings` can be given with `--allocator caching` only"),
        (["--framework", "2.11"], "`--framework` can be given with `--allocator caching` only"),
    ] {
        let run = gapless(&["replay", OOM, "--allocator", "gapless", flags[0], flags[1]]);
        assert!(run.stderr.contains(of), "{}", run.stderr);
    }
    let run = gapless(&["replay", OOM, "--slack", "5%"]);
    let of = "`--slack` and `--page` can be given with `--allocator gapless` only";
    assert!(run.stderr.contains(of), "{}", run.stderr);
    let run = gapless(&["replay", OOM, "--framework", "three"]);
    assert!(run.stderr.contains("write a release of PyTorch such as 2.15"), "{}", run.stderr);
    let run = gapless(&["replay", OOM, "--costs", "free"]);
    assert!(
        run.stderr.contains("the presets are a100, fast, h100, h200, pessimistic"),
        "{}",
        run.stderr
    );
}

/// PyTorch's rules had no part in it, and its settings are not PyTorch's.
#[test]
fn a_snapshot_of_our_own_allocator_is_known_as_such() {
    let device = Sim::new(SimSetup::new(Bytes::mib(64)));
    let mut allocator = GaplessAllocator::new(device, Slack::NONE, Recorder::default());
    let block = allocator.allocate(Bytes::mib(3), StreamId::DEFAULT).unwrap();
    allocator.free(block).unwrap();
    let snapshot = gapless::snapshot(&allocator.recording()).unwrap();
    let explained = gapless_reads(&["explain", "-", "--format", "json"], &snapshot);
    let facts: Value = serde_json::from_str(&explained.stdout).unwrap();
    assert_eq!(facts["recording"]["framework"]["name"], "gapless");
    let record = folder("replayed").join("replayed.pickle");
    let record = record.to_str().unwrap();
    assert_eq!(gapless_reads(&["replay", "-", "--record", record], &snapshot).code, Some(0));
    // What was replayed is PyTorch's.
    let fidelity = &json(&["replay", record, "--format", "json"])["runs"][0]["fidelity"];
    assert_eq!((&fidelity["events"], &fidelity["equal"]), (&Value::from(4), &Value::from(4)));
    for command in ["replay", "advise", "compare"] {
        let text = gapless_reads(&[command, "-"], &snapshot).stdout.replace('\n', " ");
        let unchecked = "UNCHECKED. The recording is of gapless' own allocator";
        assert!(text.contains(unchecked), "{text}");
        assert!(!text.contains("expandable_segments:True (as recorded)"), "{text}");
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    for command in ["replay", "advise"] {
        let arguments = [command, OOM, "--format", "json"];
        assert_eq!(gapless(&arguments).stdout, gapless(&arguments).stdout);
    }
}

/// A card that has not what was reserved when the recording began is one for the program, and not for that
/// state.
#[test]
fn a_late_recording_begins_anew_on_a_card_that_is_smaller_than_its_start() {
    let run = |capacity| {
        let replay = ["replay", LATE, "--capacity", capacity, "--format", "json"];
        json(&replay)["runs"][0].clone()
    };
    let small = run("20GiB");
    assert_eq!((&small["warm"], &small["completed"]), (&false.into(), &true.into()));
    assert!(20 << 30 < small["too_large_to_begin_bytes"].as_u64().unwrap());
    assert!(small["peak"]["reserved_bytes"].as_u64().unwrap() < 20 << 30);
    let large = run("30GiB");
    assert_eq!((&large["warm"], &large["too_large_to_begin_bytes"]), (&true.into(), &Value::Null));
    let too_small = gapless(&["replay", LATE, "--capacity", "10GiB"]);
    assert_eq!(too_small.code, Some(1), "{}", too_small.stdout);
}
