//! The page in a browser: the numbers on it, those it is given and those it works out itself,
//! equal the facts to the byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]
#![expect(clippy::disallowed_methods, reason = "the test hands files to a browser")]

use std::path::{Path, PathBuf};
use std::process::Command;

use gapless_report::{Asked, Examination, Examined, Facts, Moment, Source, html};
use gapless_trace::{Allocation, Frame};
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
fn opened(browser: &str, folder: &Folder, page: &str, asked: &str) -> String {
    let file = folder.0.join("page.html");
    std::fs::write(&file, page).unwrap();
    let open = |profile: &str| {
        let output = Command::new(browser)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", folder.0.join(profile).display()))
            .args(["--virtual-time-budget=60000", "--window-size=1400,1800", "--dump-dom"])
            .arg(format!("file://{}#{asked}", file.display()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // On a busy machine a browser may give up without a word.
    let mut documents = ["first", "second", "third"].into_iter().map(open);
    documents.find(|document| !document.is_empty()).unwrap_or_default()
}

fn examine(bytes: Vec<u8>, name: &str, at: Moment) -> Examination {
    let size = Bytes::new(bytes.len() as u64);
    let recording = gapless_formats::read(bytes, &gapless_formats::Limits::default()).unwrap();
    let source = Source { path: name.to_owned(), bytes: size };
    Examination::of(recording, source, &Asked { at, ..Asked::default() }).unwrap()
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

/// The page of an examination as a browser shows it, or nothing where there is no browser.
fn shown(name: &str, examination: &Examination, asked: &str) -> Option<String> {
    let Some(browser) = browser() else {
        println!("skipped: no browser ({} not found)", BROWSERS.join(", "));
        return None;
    };
    let page = html(examination, &Facts::of(examination)).unwrap();
    let document = opened(browser, &Folder::new(name), &page, asked);
    let start = document.get(..600).unwrap_or(&document);
    assert!(document.contains("data-ready=\"1\""), "the page did not open: {start}");
    Some(document)
}

fn check_page(name: &str, bytes: Vec<u8>) {
    let examination = examine(bytes, name, Moment::Telling);
    let Some(document) = shown(name, &examination, "") else { return };
    let facts = serde_json::to_value(Facts::of(&examination)).unwrap();
    let devices = facts["devices"].as_array().unwrap();
    assert_eq!(tags(&document, "class=\"computed\"").len(), devices.len());
    check_shown(&document, &devices[0]);
    for (index, device) in devices.iter().enumerate() {
        check_computed(&document, index, device);
    }
}

/// The panel at another event than the report's: its ledger, and what a search finds.
fn check_panel(name: &str, bytes: &[u8], event: usize, search: &str) {
    let told = examine(bytes.to_vec(), name, Moment::Telling);
    let asked = format!("at={event}&search={search}");
    let Some(document) = shown(&format!("{name}-{event}"), &told, &asked) else { return };
    let there = examine(bytes.to_vec(), name, Moment::After(event));
    let Examined { trace, diagnosis } = &there.devices[0];
    for (cause, bytes) in CAUSES.iter().zip(diagnosis.ledger.causes) {
        let rows = tags(&document, &format!("data-cause=\"{cause}\""));
        let row = rows.iter().find(|tag| tag.contains("data-source=\"state\"")).unwrap();
        assert_eq!(number(row, "data-bytes"), bytes.get(), "{cause} after event {event}");
    }
    let says = |frame: Frame<'_>| format!("{} {}", frame.file, frame.function).contains(search);
    let found = |a: &&Allocation| there.stacks.frames(a.stack).any(says);
    let alive = |a: &&Allocation| a.is_active(diagnosis.at);
    let matches = tags(&document, "id=\"matches\"")[0];
    let ever: Vec<&Allocation> = trace.allocations.iter().filter(found).collect();
    let live: Vec<&Allocation> = ever.iter().copied().filter(alive).collect();
    let bytes: Bytes = live.iter().map(|allocation| allocation.size).sum();
    assert_eq!(number(matches, "data-ever"), ever.len() as u64);
    assert_eq!(number(matches, "data-live"), live.len() as u64);
    assert_eq!(number(matches, "data-bytes"), bytes.get());
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

#[test]
fn the_panel_tells_the_state_at_any_event() {
    check_panel("panel-oom", &recording("frag_oom_varlen.default_oom.pickle.gz"), 12345, "sdpa");
    check_panel(
        "panel-expandable",
        &recording("frag_oom_varlen.expandable.pickle.gz"),
        20001,
        "mlp",
    );
    check_panel(
        "panel-streams",
        &recording("vit_prefetch_streams.mss128_late.pickle.gz"),
        7,
        "fetch",
    );
}

#[test]
fn names_of_a_recording_are_text_and_never_markup() {
    let name = r"</script><img src=x onerror='document.body.dataset.broken=1'>";
    let frames = serde_json::json!([{"filename": name, "line": 1, "name": name}]);
    let alloc = serde_json::json!({"action": "alloc", "addr": 0x1000, "size": 512, "stream": 0,
        "frames": frames});
    let segment = serde_json::json!({"action": "segment_alloc", "addr": 0x1000, "size": 2097152,
        "stream": 0, "frames": frames});
    let blocks = serde_json::json!([
        {"address": 0x1000, "size": 512, "requested_size": 512, "state": "active_allocated",
         "frames": frames},
        {"address": 0x1200, "size": 2096640, "requested_size": 0, "state": "inactive",
         "frames": []}]);
    let snapshot = serde_json::json!({"device_traces": [[segment, alloc]], "segments": [
        {"device": 0, "address": 0x1000, "total_size": 2097152, "allocated_size": 512,
         "active_size": 512, "stream": 0, "segment_type": "small", "blocks": blocks}]});
    let examination = examine(snapshot.to_string().into_bytes(), name, Moment::Telling);
    let Some(document) = shown("hostile", &examination, "") else { return };
    assert!(document.contains("&lt;img src=x"), "the name is shown");
    assert!(!document.contains("<img"));
    assert!(!document.contains("data-broken"));
}
