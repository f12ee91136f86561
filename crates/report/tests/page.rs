//! The page in a browser: the numbers on it, those it is given and those it works out itself,
//! equal the facts to the byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]
#![expect(clippy::disallowed_methods, reason = "the test hands files to a browser")]

use std::path::{Path, PathBuf};
use std::process::Command;

use gapless_report::{Asked, Examination, Facts, Source, html};
use gapless_units::Bytes;
use serde_json::Value;

/// The names browsers of the one kind go by that print a page after running it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

const CAUSES: [&str; 5] = ["requested", "rounding", "pending", "pinned_gap", "releasable"];

fn browser() -> Option<&'static str> {
    let answers = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    BROWSERS.iter().find(answers).copied()
}

/// A folder of this test's own that goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The document as it stands once the page's scripts are done.
fn opened(browser: &str, folder: &Folder, page: &str) -> String {
    let file = folder.0.join("page.html");
    std::fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", folder.0.join("profile").display()))
        .args(["--virtual-time-budget=60000", "--window-size=1400,1800", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn facts_and_page(bytes: Vec<u8>, name: &str) -> (Value, String) {
    let size = Bytes::new(bytes.len() as u64);
    let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default()).unwrap();
    let source = Source { path: name.to_owned(), bytes: size };
    let examination = Examination::of(recording, source, &Asked::default()).unwrap();
    let facts = Facts::of(&examination);
    let page = html(&examination, &facts).unwrap();
    (serde_json::to_value(&facts).unwrap(), page)
}

/// The tags in `document` that have `mark` in them.
fn tags<'d>(document: &'d str, mark: &str) -> Vec<&'d str> {
    let tags = document.split('<').filter_map(|part| part.split_once('>').map(|(tag, _)| tag));
    tags.filter(|tag| tag.contains(mark)).collect()
}

/// The number in an attribute of a tag.
fn number(tag: &str, attribute: &str) -> u64 {
    let (_, rest) = tag.split_once(&format!("{attribute}=\"")).unwrap_or_else(|| panic!("{tag}"));
    rest.split('"').next().unwrap().parse().unwrap_or_else(|_| panic!("{attribute} in {tag}"))
}

/// The text right behind a tag.
fn text_behind<'d>(document: &'d str, tag: &str) -> &'d str {
    let (_, rest) = document.split_once(&format!("<{tag}>")).unwrap();
    rest.split('<').next().unwrap()
}

/// What the report on top shows.
fn check_shown(document: &str, device: &Value) {
    for (cause, fact) in CAUSES.iter().zip(device["ledger"]["causes"].as_array().unwrap()) {
        let bytes = fact["bytes"].as_u64().unwrap();
        let rows = tags(document, &format!("data-cause=\"{cause}\""));
        let row = rows.iter().find(|tag| tag.contains("data-source=\"fact\"")).unwrap();
        assert_eq!(number(row, "data-bytes"), bytes, "{cause} as told");
        let (_, cells) = document.split_once(&format!("<{row}>")).unwrap();
        let (cells, _) = cells.split_once("</tr>").unwrap();
        assert!(cells.contains(&format!(">{}<", Bytes::new(bytes))), "{cause} in words: {cells}");
    }
    for tag in tags(document, "data-fact=") {
        let (_, key) = tag.split_once("data-fact=\"").unwrap();
        let key = key.split('"').next().unwrap();
        let fact = key.split('.').fold(device, |fact, name| &fact[name]);
        assert_eq!(Some(number(tag, "data-bytes")), fact.as_u64(), "{key}");
        assert_eq!(text_behind(document, tag), Bytes::new(fact.as_u64().unwrap()).to_string());
    }
    let pins: Vec<u64> =
        tags(document, "data-blame-bytes=").iter().map(|t| number(t, "data-blame-bytes")).collect();
    let blame = device["blame"].as_array().unwrap();
    assert_eq!(
        pins,
        blame.iter().map(|row| row["pins_bytes"].as_u64().unwrap()).collect::<Vec<_>>()
    );
}

/// What the page works out from the columns, and what its panel shows of it.
fn check_computed(document: &str, index: usize, device: &Value) {
    let outputs = tags(document, "class=\"computed\"");
    let output = outputs[index];
    let ledger = &device["ledger"];
    assert_eq!(number(output, "data-instant"), ledger["instant_events"].as_u64().unwrap());
    assert_eq!(number(output, "data-reserved"), ledger["reserved_bytes"].as_u64().unwrap());
    assert_eq!(number(output, "data-largest-gap"), ledger["largest_gap_bytes"].as_u64().unwrap());
    for (cause, fact) in CAUSES.iter().zip(ledger["causes"].as_array().unwrap()) {
        let bytes = fact["bytes"].as_u64().unwrap();
        assert_eq!(number(output, &format!("data-{cause}")), bytes, "{cause} as computed");
        if index == 0 {
            let rows = tags(document, &format!("data-cause=\"{cause}\""));
            let row = rows.iter().find(|tag| tag.contains("data-source=\"state\"")).unwrap();
            assert_eq!(number(row, "data-bytes"), bytes, "{cause} in the panel");
        }
    }
    for curve in ["requested", "allocated", "active", "reserved"] {
        for (moment, fact) in [("peak", &device["peak"]), ("end", &device["end"])] {
            let bytes = fact[format!("{curve}_bytes")].as_u64().unwrap();
            assert_eq!(
                number(output, &format!("data-{moment}-{curve}")),
                bytes,
                "{moment} {curve}"
            );
        }
    }
}

fn check_page(name: &str, bytes: Vec<u8>) {
    let Some(browser) = browser() else {
        println!("skipped: no browser ({} not found)", BROWSERS.join(", "));
        return;
    };
    let (facts, page) = facts_and_page(bytes, name);
    let document = opened(browser, &Folder::new(name), &page);
    let state = document.get(..600).unwrap_or(&document);
    assert!(document.contains("data-ready=\"1\""), "the page did not open: {state}");
    let devices = facts["devices"].as_array().unwrap();
    assert_eq!(tags(&document, "class=\"computed\"").len(), devices.len());
    check_shown(&document, &devices[0]);
    for (index, device) in devices.iter().enumerate() {
        check_computed(&document, index, device);
    }
}

fn recording(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn the_numbers_equal_the_facts_of_an_out_of_memory() {
    check_page("oom", recording("frag_oom_varlen.default_oom.pickle.gz"));
}

#[test]
fn the_numbers_equal_the_facts_of_expandable_segments() {
    check_page("expandable", recording("frag_oom_varlen.expandable.pickle.gz"));
}

#[test]
fn the_numbers_equal_the_facts_of_pools() {
    check_page("pools", recording("graphs_and_pools.default.pickle.gz"));
}

#[test]
fn the_numbers_equal_the_facts_of_a_late_recording_with_streams() {
    check_page("streams", recording("vit_prefetch_streams.mss128_late.pickle.gz"));
}

#[test]
fn the_numbers_equal_the_facts_where_nobody_knows_the_places() {
    let list = "alloc,1,1000,0\nalloc,2,5000000,7\nrecord_stream,1,7\nfree,1\nalloc,3,700,0\n";
    check_page("operations", list.as_bytes().to_vec());
}
