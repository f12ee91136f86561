//! The casebook: documents in `casebook/` that run as tests.
//!
//! A case has a story, a recording and what must be found in it. The recording stands in a block
//! marked `json` (a snapshot) or `operations`; what must be found stands in a block marked
//! `expect`, one statement a line:
//!
//! ```text
//! capacity 24GiB                 what is asked, not found: the memory of the card
//! verdict fragmentation
//! ledger pinned_gap 206569472    the bytes with one cause
//! free too_small 206569472       the free bytes behind one obstacle
//! peak reserved 209715200        a maximum over all instants
//! ransom 2097152 whole_segments  the price, and how; `ransom none`
//! blame 4194304 train.py:7       what the blocks of the heaviest line pin
//! finding leak 50331648          a finding and its weight; `finding leak none`
//! ```

use std::path::{Path, PathBuf};

use gapless::formats::{Limits, read};
use gapless::report::{Asked, Examination, Facts, Inputs, Source, json};
use gapless::units::Bytes;
use serde_json::Value;

/// What a document consists of, as far as it runs.
struct Case {
    recording: String,
    expected: Vec<(usize, String)>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut case = Self { recording: String::new(), expected: Vec::new() };
        let mut block = None;
        for (number, line) in (1..).zip(text.lines()) {
            match (block, line.strip_prefix("```")) {
                (None, Some(kind)) => block = Some(kind),
                (Some(_), Some(_)) => block = None,
                (Some("json" | "operations"), None) => {
                    case.recording.push_str(line);
                    case.recording.push('\n');
                }
                (Some("expect"), None) => case.expected.push((number, line.to_owned())),
                (Some(_) | None, None) => {}
            }
        }
        case
    }

    /// The facts of the case's only device.
    fn facts(&self) -> Result<Value, String> {
        let capacity = self.expected.iter().find_map(|(_, line)| line.strip_prefix("capacity "));
        let capacity = capacity.map(|size| size.parse::<Bytes>().map_err(|e| e.to_string()));
        let asked = Asked { capacity: capacity.transpose()?, ..Asked::default() };
        let bytes = self.recording.clone().into_bytes();
        let source = Source { path: "case".to_owned(), bytes: Bytes::new(bytes.len() as u64) };
        let recording = read(bytes, &Limits::default()).map_err(|error| error.to_string())?;
        let examination =
            Examination::of(recording, source, &asked).map_err(|error| error.to_string())?;
        let text =
            json(&[Facts::of(&examination)], Inputs::One).map_err(|error| error.to_string())?;
        let facts: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok(facts["devices"][0].clone())
    }
}

/// What the facts say to the subject of an expectation.
fn found(facts: &Value, statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let entry = |list: &Value, key: &str, name: &str, value: &str| {
        let entries = list.as_array().into_iter().flatten();
        let found = entries.clone().find(|entry| entry[key] == name);
        found.map_or_else(|| "none".to_owned(), |entry| entry[value].to_string())
    };
    match words.as_slice() {
        ["verdict", _] => format!("verdict {}", facts["verdict"]["kind"].as_str().unwrap_or("?")),
        ["ledger", cause, _] => {
            format!("ledger {cause} {}", entry(&facts["ledger"]["causes"], "cause", cause, "bytes"))
        }
        ["free", obstacle, _] => {
            let free = entry(&facts["ledger"]["free"], "obstacle", obstacle, "bytes");
            format!("free {obstacle} {free}")
        }
        ["peak", total, _] => format!("peak {total} {}", facts["peak"][format!("{total}_bytes")]),
        ["finding", code, _] => {
            format!("finding {code} {}", entry(&facts["findings"], "code", code, "bytes"))
        }
        ["ransom", ..] if facts["ransom"].is_null() => "ransom none".to_owned(),
        ["ransom", ..] => {
            let kind = facts["ransom"]["kind"].as_str().unwrap_or("?");
            format!("ransom {} {kind}", facts["ransom"]["price_bytes"])
        }
        ["blame", ..] => {
            let row = &facts["blame"][0];
            let file = row["site"]["file"].as_str().unwrap_or("?");
            format!("blame {} {file}:{}", row["pins_bytes"], row["site"]["line"])
        }
        ["capacity", _] => statement.to_owned(),
        _ => format!("a statement the casebook knows, not `{statement}`"),
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../casebook");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut cases: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .filter(|file| file.file_stem().is_some_and(|name| name != "README"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_case_is_found_as_told() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(!cases.is_empty(), "the casebook is empty");
    for path in cases {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
        let case = Case::parse(&text);
        if case.expected.is_empty() {
            wrong.push(format!("{name}: it expects nothing"));
        }
        match case.facts() {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(facts) => {
                for (line, statement) in &case.expected {
                    let found = found(&facts, statement);
                    if *statement != found {
                        wrong.push(format!("{name}:{line}: expected {statement}, found {found}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
