//! The allocator's casebook: documents in `casebook/allocator/` that run as tests.
//!
//! Its README explains the notation. A heading begins a case; operations stand in blocks marked
//! `allocator`, and what is true behind them in blocks marked `expect`.

#![expect(clippy::disallowed_methods, reason = "the casebook is read from its folder")]

mod log;
mod notation;
mod play;

use std::path::{Path, PathBuf};

use play::Play;

/// Plays every case of a document, and says at which lines it is wrong.
fn play(text: &str) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut play = Play::default();
    let mut block: Option<&str> = None;
    let mut expected = Vec::new();
    let (mut failed, mut compared) = (false, 0);
    for (number, line) in (1..).zip(text.lines()) {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some(kind),
            (Some(kind), Some(_)) => {
                block = None;
                if kind == "expect" && !failed {
                    let differences = play.compare(&std::mem::take(&mut expected));
                    compared += 1;
                    failed = !differences.is_empty();
                    wrong.extend(differences);
                }
            }
            (Some("allocator"), None) if !failed => {
                let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
                if !line.is_empty()
                    && let Err(error) = play.perform(line)
                {
                    failed = true;
                    wrong.push((number, error));
                }
            }
            (Some("expect"), None) if !failed && !line.is_empty() => {
                expected.push((number, line.to_owned()));
            }
            (None, None) if line.starts_with('#') => {
                (play, failed) = (Play::default(), false);
                expected.clear();
            }
            (Some(_) | None, None) => {}
        }
    }
    if compared == 0 {
        wrong.push((1, "it expects nothing".to_owned()));
    }
    wrong
}

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../casebook/allocator");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut documents: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .filter(|file| file.file_stem().is_some_and(|name| name != "README"))
        .collect();
    documents.sort();
    documents
}

#[test]
fn every_case_of_the_allocator_ends_as_told() {
    let documents = documents();
    assert!(!documents.is_empty(), "the casebook is empty");
    let mut wrong = Vec::new();
    for path in documents {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
        let told = play(&text).into_iter().map(|(line, what)| format!("{name}:{line}: {what}"));
        wrong.extend(told);
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What the tests of the runner see: the lines that are wrong.
fn wrong_lines(text: &str) -> Vec<usize> {
    play(text).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn a_wrong_case_is_told_at_its_line() {
    let right = "# A\n```allocator\nalloc A 1\n```\n```expect\nS2M: A 512, free 2M-512\n```\n";
    assert_eq!(wrong_lines(right), [0; 0]);
    assert_eq!(wrong_lines(&right.replace("A 512", "A 1K")), [6]);
    assert_eq!(wrong_lines(&right.replace("alloc A 1", "alloc A lot")), [3, 1]);
    assert_eq!(wrong_lines("# Nothing\n"), [1]);
}
