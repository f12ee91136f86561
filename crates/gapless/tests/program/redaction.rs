//! Redacted reports tell the same and name nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::run::{OOM, gapless};

/// Every place that some JSON names, as (file, function).
fn places(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(file)), Some(Value::String(function))) =
                (object.get("file"), object.get("function"))
            {
                found.insert((file.clone(), function.clone()));
            }
            object.values().for_each(|value| places(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The words that a redacted report must not contain: files, folders and functions of the program.
fn secrets() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    places(&gapless(&[OOM, "--format", "json"]).json(), &mut found);
    let is_torch = |file: &str| file.contains("site-packages/torch/");
    let kept: BTreeSet<&str> =
        found.iter().filter(|(file, _)| is_torch(file)).map(|(_, name)| name.as_str()).collect();
    let mut secrets: BTreeSet<String> = ["frag_oom", "venv", "/opt/"].map(str::to_owned).into();
    for (file, function) in found.iter().filter(|(file, _)| !is_torch(file)) {
        secrets.extend(file.rsplit('/').next().map(str::to_owned));
        // Words such as `ints` and `wrapper` stand in other words.
        if function.contains('_') && !function.starts_with('<') && !kept.contains(function.as_str())
        {
            secrets.insert(function.clone());
        }
    }
    secrets
}

#[test]
fn nothing_is_named() {
    let secrets = secrets();
    assert!(secrets.contains("modeling_llama.py") && secrets.contains("sdpa_attention_forward"));
    for format in ["text", "json", "markdown", "html"] {
        let told = gapless(&[OOM, "--redact", "-v", "--format", format]).stdout;
        for secret in &secrets {
            // Python's own names for methods that every class has.
            if !secret.starts_with("__") {
                assert!(!told.contains(secret.as_str()), "{format} names {secret}");
            }
        }
    }
}

#[test]
fn everything_else_is_told_the_same() {
    let plain = gapless(&[OOM, "--format", "json"]).json();
    let redacted = gapless(&[OOM, "--redact", "--format", "json"]).json();
    assert_eq!(redacted["recording"]["path"], "recording1.pickle.gz");
    let (plain, redacted) = (&plain["devices"][0], &redacted["devices"][0]);
    for key in ["start", "peak", "end", "ledger", "verdict"] {
        assert_eq!(plain[key], redacted[key], "{key}");
    }
    let heaviest = |device: &Value| {
        let row = &device["blame"][0];
        (
            row["pins_bytes"].clone(),
            row["site"]["line"].clone(),
            row["stack"].as_array().map(Vec::len),
        )
    };
    assert_eq!(heaviest(plain), heaviest(redacted));
    assert_eq!(plain["iterations"]["starts"], redacted["iterations"]["starts"]);
}
