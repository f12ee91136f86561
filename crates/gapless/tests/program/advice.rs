//! What `gapless advise` prints, and how it ends.

use serde_json::Value;

use crate::run::{DIED_ON_A_CARD, GAPS, OOM, POOLS, STREAMS, TOO_MUCH, gapless, gapless_reads};

fn json(arguments: &[&str]) -> Value {
    gapless(arguments).json()
}

#[test]
fn the_smallest_change_that_fits_is_prescribed() {
    let facts = json(&["advise", OOM, "--format", "json"]);
    assert_eq!(facts["schema"], "gapless.advise/1");
    let device = &facts["devices"][0];
    assert_eq!(device["goal"], "fit");
    assert_eq!(device["capacity_from"], "recorded");
    let found = &device["prescription"];
    assert_eq!(found["line"], "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True");
    assert_eq!(found["completed"], true);
    assert!(60 <= device["runs"].as_u64().unwrap());
    let codes = found["conflicts"].as_array().unwrap();
    assert!(codes.iter().any(|code| code == "expandable-ipc"));
    // What is predicted is what a replay under these conditions does.
    let capacity = device["capacity_bytes"].as_u64().unwrap().to_string();
    let settings = found["settings"].as_str().unwrap();
    let replay = ["replay", OOM, "--settings", settings, "--capacity", &capacity];
    let run = &json(&[&replay[..], &["--format", "json"]].concat())["runs"][0];
    assert_eq!(run["completed"], true);
    assert_eq!(run["peak"], found["peak"]);
    assert_eq!(run["headroom_bytes"], found["headroom_bytes"]);
}

#[test]
fn the_smallest_card_is_the_smallest() {
    let facts = json(&["advise", OOM, "--format", "json"]);
    for card in facts["devices"][0]["cards"].as_array().unwrap() {
        let settings = card["settings"].as_str().unwrap();
        let smallest = card["smallest_capacity_bytes"].as_u64().unwrap();
        let completes = |capacity: u64| {
            let capacity = capacity.to_string();
            gapless(&["replay", OOM, "--settings", settings, "--capacity", &capacity]).code
                == Some(0)
        };
        assert!(completes(smallest), "{settings} on {smallest}");
        assert!(!completes(smallest - (64 << 20)), "{settings} below {smallest}");
    }
}

/// Another allocator is told beside the settings, and offered where it is worth more than any.
#[test]
fn another_allocator_is_told_beside_the_settings() {
    let device = &json(&["advise", OOM, "--format", "json"])["devices"][0];
    let other = &device["replacement"];
    assert_eq!(other["allocator"], "gapless");
    assert_eq!((&other["completed"], &other["stalls"]), (&Value::from(true), &Value::from(0)));
    assert_eq!(other["smallest_capacity_bytes"], 26_178_748_416_u64);
    // A setting makes it fit with about as much to spare.
    assert_eq!(other["offered"], false);
    assert!(device["prescription"].is_object());

    let device = &json(&["advise", STREAMS, "--format", "json"])["devices"][0];
    assert_eq!(device["replacement"]["saved_bytes"], 3_342_860_288_i64);
    assert_eq!(device["replacement"]["offered"], false);
}

/// What is in force may be what is wrong: without the limit for splits expandable segments save most.
#[test]
fn a_setting_in_force_may_be_dropped() {
    let device = &json(&["advise", STREAMS, "--format", "json"])["devices"][0];
    let found = &device["prescription"];
    assert_eq!(found["settings"], "expandable_segments:True");
    assert_eq!(found["changed"], serde_json::json!(["expandable_segments", "max_split_size_mb"]));
    let notes = found["notes"].as_array().unwrap().iter().map(|note| note["key"].clone());
    assert!(notes.into_iter().all(|key| key == "expandable_segments"));
    let text = gapless(&["advise", STREAMS]).stdout.replace('\n', " ");
    assert!(text.contains("It does without max_split_size_mb."), "{text}");
    // Where nothing but the setting is wrong the variable goes.
    let rounded = ["advise", "-", "--settings", "roundup_power2_divisions:2"];
    let run = gapless_reads(&rounded, TOO_MUCH);
    assert!(run.stdout.contains("    unset PYTORCH_CUDA_ALLOC_CONF\n"), "{}", run.stdout);
}

#[test]
fn calls_are_counted_alike_for_settings_and_for_allocators() {
    let compared = json(&["compare", POOLS, "--allocators", "caching,gapless", "-f", "json"]);
    let advised = &json(&["advise", POOLS, "-f", "json"])["devices"][0];
    let calls = [&advised["current"], &advised["replacement"]].map(|it| &it["device_calls"]);
    for (calls, allocator) in calls.into_iter().zip(compared["allocators"].as_array().unwrap()) {
        let by_kind = allocator["device_calls"].as_object().unwrap();
        let all: u64 = by_kind.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(calls.as_u64(), Some(all), "{}", allocator["name"]);
    }
}

/// Between what it needs and what the best setting needs, only the other allocator fits.
#[test]
fn where_no_setting_helps_another_allocator_may() {
    let arguments = ["advise", OOM, "--capacity", "25100MiB"];
    let device = &json(&[&arguments[..], &["--format", "json"]].concat())["devices"][0];
    assert_eq!(device["prescription"], Value::Null);
    assert_eq!(device["reason"]["kind"], "every_setting");
    assert_eq!(device["replacement"]["completed"], true);
    assert_eq!(device["replacement"]["offered"], true);
    let run = gapless(&arguments);
    // The question is which setting; the answer is none.
    assert_eq!(run.code, Some(1));
    let text = run.stdout.replace('\n', " ");
    assert!(text.contains("With another allocator, gapless, it fits."), "{}", run.stdout);
    for format in ["markdown", "html"] {
        let told = gapless(&[&arguments[..], &["--format", format]].concat()).stdout;
        assert!(told.contains("Worth more than any setting: another allocator"), "{told}");
    }
}

#[test]
fn no_setting_makes_room_for_what_is_alive() {
    let run = gapless_reads(&["advise", "-", "--capacity", "1GiB", "--outside", "0"], TOO_MUCH);
    assert_eq!(run.code, Some(1));
    insta::assert_snapshot!(run.stdout.split("\n\n").nth(2).unwrap_or_default(), @r"
    NO SETTING HELPS. What is alive alone needs a card of 1.17 GiB: you need
    176.0 MiB more, or less alive at once. This is not fragmentation.
    ");
}

#[test]
fn gaps_are_closed_by_a_setting() {
    let run = gapless_reads(&["advise", "-", "--capacity", "460MiB", "--outside", "0"], GAPS);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    // What nothing vouches for is said to be so first.
    let first = run.stdout.split("\n\n").nth(1).unwrap_or_default();
    assert!(first.starts_with("UNCHECKED."), "{}", run.stdout);
    insta::assert_snapshot!(run.stdout.split("\n\n").nth(2).unwrap_or_default(), @r"
    CHANGE ONE SETTING. It reserves 400.0 MiB instead of 450.0 MiB at most: 50.0 MiB
    less (11.1 %). 400.0 MiB are alive at the peak.
    ");
}

/// Rounding decides how much is alive, so a change of it is told with what is alive then.
#[test]
fn no_more_is_alive_than_reserved() {
    let list = b"alloc,1,136314880,0\nalloc,2,136314880,0\nfree,1\nfree,2\n";
    let arguments = ["advise", "-", "--settings", "roundup_power2_divisions:2", "--format", "json"];
    let run = gapless_reads(&arguments, list);
    let facts: Value = serde_json::from_str(&run.stdout).unwrap();
    let device = &facts["devices"][0];
    let bytes = |trial: &Value, key: &str| trial[key].as_u64().unwrap();
    for trial in device["tried"].as_array().unwrap() {
        assert!(bytes(trial, "live_peak_bytes") <= bytes(trial, "peak_reserved_bytes"), "{trial}");
    }
    assert_eq!(device["live_peak_bytes"], 384_u64 << 20);
    assert_eq!(device["prescription"]["live_peak_bytes"], 2 * 136_314_880_u64);
    let text = gapless_reads(&arguments[..4], list).stdout.replace('\n', " ");
    assert!(text.contains("260.0 MiB are alive at the peak."), "{text}");
}

#[test]
fn one_more_request_can_be_asked_about() {
    let arguments = ["advise", "-", "--capacity", "1GiB", "--outside", "0", "--request", "900MiB"];
    let run = gapless_reads(&arguments, b"alloc,1,629145600,0\n");
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let run = gapless_reads(&arguments, b"alloc,1,629145600,0\nfree,1\n");
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}

#[test]
fn every_format_tells_the_answer() {
    for command in ["replay", "advise"] {
        let page = gapless(&[command, OOM, "--format", "html"]);
        assert!(page.stdout.starts_with("<!doctype html>"), "{}", page.stderr);
        assert!(page.stdout.contains("reserved, recorded"));
        assert!(page.stdout.contains("<path class=\"replayed\""));
        for sign in ["http://", "https://", "<script", "url("] {
            assert!(!page.stdout.contains(sign), "{sign}");
        }
        let markdown = gapless(&[command, OOM, "--format", "markdown"]);
        assert!(markdown.stdout.starts_with("## "), "{}", markdown.stdout);
    }
    let markdown = gapless(&["advise", OOM, "--format", "markdown"]).stdout;
    assert!(markdown.contains("PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"));
}

/// The smallest card is shown so that the program fits where it is typed again.
#[test]
fn the_smallest_card_is_enough_as_it_is_shown() {
    let advice = gapless(&["advise", DIED_ON_A_CARD]).stdout;
    let cards = advice.split("\nsmallest card ").nth(1).unwrap();
    let row = cards.lines().find(|line| line.starts_with("default settings ")).unwrap();
    let capacity = row.split_whitespace().nth(2).map(|number| format!("{number}GiB")).unwrap();
    let replay = gapless(&["replay", DIED_ON_A_CARD, "--capacity", &capacity]);
    assert_eq!(replay.code, Some(0), "{capacity}: {}", replay.stdout);
}
