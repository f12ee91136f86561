//! The JSON: its keys are a promise, and its sums are exact.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use crate::run::{OOM, POOLS, gapless};

/// The keys of an object, in order.
fn keys(value: &Value) -> String {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    object.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
}

fn told(arguments: &[&str]) -> Value {
    let run = gapless(&[arguments, &["--format", "json"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.json()
}

#[test]
fn the_keys_are_those_that_were_promised() {
    let facts = told(&[OOM]);
    let device = &facts["devices"][0];
    assert_snapshot!(keys(&facts), @"devices recording schema");
    assert_snapshot!(keys(&facts["recording"]), @"bytes consistent events format framework notes path pinned_host");
    assert_snapshot!(keys(&facts["recording"]["notes"][0]), @"code device text weight");
    assert_snapshot!(keys(device), @r"
    blame blame_omitted consistent device end events failure findings iterations ledger outside_bytes peak peak_at placed prescription prescription_unsought ransom request settings start verdict
    ");
    assert_snapshot!(keys(&device["start"]), @"active_bytes allocated_bytes requested_bytes reserved_bytes");
    assert_eq!(keys(&device["start"]), keys(&device["peak"]));
    assert_snapshot!(keys(&device["end"]), @"active_bytes allocated_bytes largest_gap_bytes requested_bytes reserved_bytes segments");
    assert_snapshot!(keys(&device["failure"]), @"device_free_bytes event failures is_last requested_bytes site stack");
    assert_snapshot!(keys(&device["request"]), @"event origin pool requested_bytes rounded_bytes segment_bytes site size_pool stack stream");
    assert_snapshot!(keys(&device["ledger"]), @"at causes free instant_events largest_gap_bytes pinned_free_bytes pools reserved_bytes segments segments_with_gaps");
    assert_snapshot!(keys(&device["ledger"]["free"][0]), @"bytes gaps largest_bytes obstacle");
    assert_snapshot!(keys(&device["ledger"]["pools"][0]), @"causes pool reserved_bytes segments size_pool stream");
    assert_snapshot!(keys(&device["verdict"]), @"active_bytes cache_free_bytes device_free_bytes kind largest_gap_bytes request_bytes reserved_bytes segment_bytes summary title");
    assert_snapshot!(keys(&device["ransom"]), @"block_count blocks gains_bytes kind price_bytes sites");
    assert_snapshot!(keys(&device["ransom"]["blocks"][0]), @"address born_event bytes requested_bytes site stack");
    assert_snapshot!(keys(&device["blame"][0]), @"blocks live_bytes pins_bytes site stack");
    assert_snapshot!(keys(&device["blame"][0]["stack"][0]), @"file function line");
    assert_snapshot!(keys(&device["iterations"]), @"count peaks source starts");
}

#[test]
fn the_numbers_are_those_of_the_recording() {
    let facts = told(&[OOM]);
    let device = &facts["devices"][0];
    assert_eq!(facts["schema"], "gapless.explain/1");
    assert_eq!(facts["recording"]["path"], OOM);
    assert_eq!(facts["recording"]["events"], 23988);
    assert_eq!(device["settings"], "");
    assert_eq!(device["failure"]["event"], 23987);
    assert_eq!(device["failure"]["requested_bytes"], 1569792000);
    assert_eq!(device["failure"]["device_free_bytes"], 1530920960);
    assert_eq!(device["ledger"]["at"], "failure");
    assert_eq!(device["end"]["reserved_bytes"], 26931625984_u64);
    assert_eq!(device["end"]["segments"], 280);
    assert_eq!(device["verdict"]["kind"], "fragmentation");
    let causes: Vec<_> = device["ledger"]["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| (share["cause"].as_str().unwrap(), share["bytes"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("requested", 24035387524),
        ("rounding", 14152060),
        ("pending", 0),
        ("pinned_gap", 2882086400),
        ("releasable", 0),
    ];
    assert_eq!(causes, expected);
}

fn sum(list: &Value, key: &str) -> u64 {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().map(|item| item[key].as_u64().unwrap_or_else(|| panic!("no {key}: {item}"))).sum()
}

/// Every reserved byte has one cause, in whole and by pool, and every free byte one obstacle.
fn check_sums(device: &Value) {
    let ledger = &device["ledger"];
    let reserved = ledger["reserved_bytes"].as_u64().unwrap_or_default();
    assert_eq!(sum(&ledger["causes"], "bytes"), reserved);
    assert_eq!(sum(&ledger["pools"], "reserved_bytes"), reserved);
    for pool in ledger["pools"].as_array().unwrap_or(&Vec::new()) {
        assert_eq!(sum(&pool["causes"], "bytes"), pool["reserved_bytes"].as_u64().unwrap_or(1));
    }
    let cause = |index: usize| ledger["causes"][index]["bytes"].as_u64().unwrap_or_default();
    if !device["request"].is_null() {
        assert_eq!(sum(&ledger["free"], "bytes"), cause(3) + cause(4));
    }
    let omitted = device["blame_omitted"]["pins_bytes"].as_u64().unwrap_or_default();
    assert_eq!(sum(&device["blame"], "pins_bytes") + omitted, cause(3));
}

#[test]
fn sums_are_exact_at_any_event() {
    for (name, events) in [(POOLS, 8757), (OOM, 23988)] {
        for part in 0..8 {
            let event = (events - 1) * part / 7;
            let facts = told(&[name, "--at", &event.to_string()]);
            check_sums(&facts["devices"][0]);
            assert_eq!(facts["devices"][0]["ledger"]["instant_events"], event + 1);
        }
    }
}

#[test]
fn what_is_outside_of_the_allocator_is_known_with_the_capacity() {
    let outside = |arguments: &[&str]| told(arguments)["devices"][0]["outside_bytes"].clone();
    assert!(outside(&[OOM]).is_null());
    // The card had 27 GiB, of which its context held 504 MiB.
    assert_eq!(outside(&[OOM, "--capacity", "27GiB"]), 504 << 20);
}
