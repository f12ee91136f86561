//! What is found in real recordings, by weight in bytes.

use insta::assert_snapshot;

use crate::run::{OOM, POOLS, gapless};

/// The findings of a recording, a line each.
fn findings(name: &str) -> String {
    let facts = gapless(&[name, "--format", "json"]).json();
    let found = facts["devices"][0]["findings"].as_array().cloned().unwrap_or_default();
    let line = |finding: &serde_json::Value| {
        format!("{} {}\n", finding["code"].as_str().unwrap_or("?"), finding["bytes"])
    };
    found.iter().map(line).collect()
}

#[test]
fn sizes_that_vary_come_first_where_they_break_the_memory() {
    assert_snapshot!(findings(OOM), @r"
    varying_sizes 2879434752
    flush_and_retry 4431282176
    churn 326959104
    ");
}

#[test]
fn expandable_segments_leave_a_surplus() {
    assert_snapshot!(findings("frag_oom_varlen.expandable.pickle.gz"), @r"
    varying_sizes 1416238080
    surplus 1416238080
    churn 326516736
    ");
}

#[test]
fn pools_of_graphs_keep_memory() {
    assert_snapshot!(findings(POOLS), @r"
    stranded_in_pools 70975488
    varying_sizes 56295424
    churn 33554432
    ");
}

#[test]
fn a_warm_up_is_no_leak() {
    assert_snapshot!(findings("vit_prefetch_streams.mss128_late.pickle.gz"), @r"
    varying_sizes 1186657792
    flush_and_retry 4303355904
    surplus 1151006208
    cache_growth 608044544
    churn 146800640
    warm_up 673250348
    ");
}

#[test]
fn a_cut_recording_claims_nothing() {
    assert_snapshot!(findings("gpt2m_adamw.ring6000_late.pickle.gz"), @"");
}
