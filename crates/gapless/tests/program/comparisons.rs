//! What `gapless compare` prints.

use insta::assert_snapshot;
use serde_json::Value;

use crate::run::{OOM, POOLS, STREAMS, gapless, gapless_reads};

fn json(arguments: &[&str]) -> Value {
    let run = gapless(arguments);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stderr))
}

/// Four blocks of 100 MiB, every other one freed: a fifth of 150 MiB fits into no gap.
const GAPS: &[u8] = b"alloc,1,104857600,0\nalloc,2,104857600,0\nalloc,3,104857600,0\n\
                      alloc,4,104857600,0\nfree,1\nfree,3\nalloc,5,157286400,0\n";

/// A text without its line breaks.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_says_who_needs_least() {
    let run = gapless_reads(&["compare", "-", "--allocators", "caching,gapless"], GAPS);
    assert_snapshot!(run.stdout, @r"
    - · device 0 · 400.0 MiB alive at most
    PyTorch's under default settings, as of 2.15 · costs a100

    UNCHECKED. The recording does not tell where its blocks were placed, so nothing
    says how well the replay meets the program it was made of.

    gapless runs it without a stall in 400.0 MiB, 150.0 MiB less than caching.

    allocator     fits in  waste  stalls    no stall   waste    uncapped   waste
    caching    400.0 MiB*  0.0 %       1  550.0 MiB   27.3 %  550.0 MiB   27.3 %
    gapless    400.0 MiB*  0.0 %       0  400.0 MiB*   0.0 %  404.0 MiB*   1.0 %

    allocator  calls  pages mapped  last iteration     time  of the recorded
    caching        5             0         unknown   0.2 ms          unknown
    gapless      483           275         unknown  39.6 ms          unknown

    allocator  reserve  create  map  access  unmap  release  alloc  free
    caching          0       0    0       0      0        0      5     0
    gapless          1     202  275       5      0        0      0     0

    * the least memory, within 0.1 %. Fits in: the least found with which the
    program completes, and the stalls there: requests that flush or wait; no stall:
    without any. Waste: the share that is never alive. Uncapped: the most it
    reserves without a limit; calls, pages and time are of that run. Pages are of
    2 MiB; access, alloc and free are cuMemSetAccess, cudaMalloc and cudaFree. Work
    counts as done when it is asked about; a card is behind its program: more pages
    move there, and a little more memory may be needed.
    ");
}

#[test]
fn our_own_allocator_is_compared_under_other_settings() {
    let compared = |more: &[&str]| {
        let arguments = ["compare", OOM, "--allocators", "tlsf,gapless", "--format", "json"];
        let facts = json(&[&arguments, more].concat());
        facts["allocators"].as_array().unwrap().clone()
    };
    let usual = compared(&[]);
    let set = compared(&["--page", "7MiB", "--slack", "5%"]);
    assert_eq!(set[0], usual[0]);
    assert_eq!(set[1]["settings"], "slack:0.05,page:8MiB");
    assert_eq!(set[1]["note"], "under slack:0.05,page:8MiB");
    // A fourth of the pages, and nearly all of the calls are for pages.
    let calls = |of: &Value| of["device_calls"]["create"].as_u64().unwrap();
    assert!(calls(&set[1]) < calls(&usual[1]) / 3);
    // The smallest pages, however they are said, are the usual ones.
    assert_eq!(compared(&["--page", "2MiB"]), usual);
    assert_eq!(compared(&["--page", "0"]), usual);
    for share in ["200%", "-1", "nan", "much"] {
        let refused = gapless(&["compare", OOM, &format!("--slack={share}")]);
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains("a share such as 5% or 0.05"), "{}", refused.stderr);
    }
    let refused = gapless(&["compare", OOM, "--allocators", "tlsf", "--page", "8MiB"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("not among the allocators"), "{}", refused.stderr);
}

#[test]
fn the_contract_of_the_schema_is_kept() {
    let facts = json(&["compare", OOM, "--format", "json"]);
    assert_eq!(facts["schema"], "gapless.compare/1");
    assert_eq!(facts["cost_preset"], "a100");
    assert!(facts["recording"].is_object());
    let allocators = facts["allocators"].as_array().unwrap();
    for it in allocators {
        for key in [
            "name",
            "settings",
            "note",
            "peak_live_bytes",
            "smallest_capacity_bytes",
            "waste_at_capacity",
            "stalls_at_capacity",
            "stall_free_capacity_bytes",
            "stall_free_waste",
            "uncapped_peak_reserved_bytes",
            "uncapped_waste",
            "granules_mapped",
            "granules_mapped_last_iteration",
            "modelled_us_last_iteration",
            "modelled_share_of_last_iteration",
            "modelled_us",
        ] {
            assert!(it.get(key).is_some(), "{key}");
        }
        let calls = it["device_calls"].as_object().unwrap();
        for key in ["reserve", "create", "map", "set_access", "unmap", "release", "alloc", "free"] {
            assert!(calls[key].is_u64(), "{key}");
        }
        let waste = it["waste_at_capacity"].as_f64().unwrap();
        let live = it["peak_live_bytes"].as_u64().unwrap() as f64;
        let capacity = it["smallest_capacity_bytes"].as_u64().unwrap() as f64;
        assert!((waste - (1.0 - live / capacity)).abs() < 1e-9);
    }
    let ours = allocators.iter().find(|it| it["name"] == "gapless").unwrap();
    assert_eq!(ours["stalls_at_capacity"], 0);
    assert!(ours["stall_free_waste"].as_f64().unwrap() < 0.008);
}

#[test]
fn every_allocator_is_compared_and_the_table_fits_a_screen() {
    let run = gapless(&["compare", POOLS]);
    let table = run.stdout.lines().skip_while(|line| !line.starts_with("allocator"));
    let rows: Vec<&str> = table.take_while(|line| !line.is_empty()).skip(1).collect();
    let names = rows.iter().map(|row| row.split_whitespace().next().unwrap_or_default());
    let expected = [
        "caching",
        "expandable",
        "gmlake",
        "page_steal",
        "bfc",
        "tlsf",
        "stream_pool",
        "rmm_arena",
        "gapless",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let widest = run.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 80), "{}", run.stdout);
    assert!(flowing(&run.stdout).contains("stream_pool: an approximation of"), "{}", run.stdout);
}

#[test]
fn memory_that_is_not_better_the_more_of_it_is_told() {
    let arguments = ["compare", STREAMS, "--allocators", "caching"];
    let screen = gapless(&arguments).stdout;
    assert!(screen.contains("?7.92 GiB"), "{screen}");
    let said = "? with some larger memory it fails, or waits:";
    assert!(flowing(&screen).contains(said), "{screen}");
    let facts = json(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(facts["allocators"][0]["smallest_capacity_has_gaps"], true);
    assert_eq!(facts["allocators"][0]["stall_free_capacity_has_gaps"], false);
}

/// Every kind of call, and the pages of the last iteration, in every format.
#[test]
fn what_each_takes_of_the_device_is_told() {
    let facts = json(&["compare", STREAMS, "--allocators", "gapless", "-f", "json"]);
    let ours = &facts["allocators"][0];
    let kinds = ours["device_calls"].as_object().unwrap();
    for format in ["text", "markdown", "html"] {
        let told = gapless(&["compare", STREAMS, "--allocators", "gapless", "-f", format]).stdout;
        let plain = told.replace(',', "");
        let pages = [&ours["granules_mapped"], &ours["granules_mapped_last_iteration"]];
        for count in kinds.values().chain(pages) {
            assert!(plain.contains(&count.to_string()), "{count} in {format}");
        }
        let share = ours["modelled_share_of_recorded"].as_f64().unwrap();
        assert!(plain.contains(&format!("{:.1} %", 100.0 * share)), "{share} in {format}");
    }
}

#[test]
fn a_recording_without_events_is_told_apart() {
    let state = br#"{"segments": [{"device": 0, "address": 0, "total_size": 2097152,
        "stream": 0, "segment_type": "small", "is_expandable": false, "blocks": [
        {"size": 2097152, "requested_size": 2097152, "state": "active_allocated"}]}]}"#;
    let run = gapless_reads(&["compare", "-", "--allocators", "gapless"], state);
    assert!(flowing(&run.stdout).contains("The recording has no events:"), "{}", run.stdout);
}

#[test]
fn names_may_be_told_twice_and_with_spaces() {
    let facts = json(&["compare", POOLS, "--allocators", "gapless, caching,gapless", "-f", "json"]);
    let names = facts["allocators"].as_array().unwrap().iter().map(|it| it["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["gapless", "caching"]);
}

#[test]
fn allocators_that_need_as_little_are_named_together() {
    let run = gapless_reads(&["compare", "-", "--allocators", "caching,page_steal,gapless"], GAPS);
    let told = "page_steal and gapless run it without a stall in 400.0 MiB, 150.0 MiB less than";
    assert!(run.stdout.contains(told), "{}", run.stdout);
}

#[test]
fn an_allocator_has_its_pen_whatever_it_is_compared_with() {
    let pens = |allocators| {
        let arguments = ["compare", POOLS, "--allocators", allocators, "--format", "html"];
        let page = gapless(&arguments).stdout;
        let keys = page.split("class=\"key ").skip(1);
        keys.map(|key| key.split('"').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(pens("gapless,bfc"), ["pen-9", "pen-5"]);
    assert_eq!(pens("caching,gapless"), ["pen-1", "pen-9"]);
}

#[test]
fn the_first_allocator_named_is_the_one_to_compare_with() {
    let facts = json(&["compare", POOLS, "--allocators", "gapless,expandable", "-f", "json"]);
    let names: Vec<&Value> =
        facts["allocators"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["gapless", "expandable"]);
}

#[test]
fn a_request_that_failed_is_said_to_be_left_out() {
    let compare = ["compare", OOM, "--allocators", "gapless", "--format"];
    for format in ["text", "markdown", "html"] {
        let told = flowing(&gapless(&[&compare[..], &[format]].concat()).stdout);
        assert!(told.contains("The request that failed in the recording is left out"), "{told}");
    }
    assert_eq!(json(&[&compare[..], &["json"]].concat())["failed_requests_left_out"], 1);
    let whole = gapless(&["compare", POOLS, "--allocators", "gapless"]).stdout;
    assert!(!whole.contains("left out"), "{whole}");
}

#[test]
fn an_allocator_that_cannot_carry_it_out_is_told_beside_the_others() {
    // Regions that double come to more than the largest device has.
    let large = b"alloc,1,1319413952512,0\nalloc,2,1319413952512,0\nalloc,3,1319413952512,0\n";
    let run = gapless_reads(&["compare", "-", "--allocators", "bfc,caching", "-f", "json"], large);
    assert_eq!(run.code, Some(2));
    let told = "cannot compare bfc on device 0 of standard input";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let facts = run.json();
    assert_eq!(facts["allocators"].as_array().map(Vec::len), Some(1));
    assert_eq!(facts["allocators"][0]["name"], "caching");
    let run = gapless_reads(&["compare", "-", "--allocators", "bfc"], large);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(run.stderr.contains("than the 4.00 TiB of the largest device"), "{}", run.stderr);
}

#[test]
fn an_unknown_allocator_is_refused_with_those_there_are() {
    let run = gapless(&["compare", POOLS, "--allocators", "jemalloc"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("caching, expandable,"), "{}", run.stderr);
}

#[test]
fn a_recording_comes_back_before_anything_is_predicted() {
    let fidelity = &json(&["compare", OOM, "-f", "json"])["fidelity"];
    assert!(fidelity["events"].as_u64().unwrap() > 0);
    assert_eq!(fidelity["equal"], fidelity["events"]);
}

#[test]
fn a_program_that_asks_for_nothing_wastes_nothing() {
    let run = gapless_reads(&["compare", "-", "-f", "json"], b"alloc,1,0,0\n");
    let facts: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(facts["allocators"][0]["waste_at_capacity"], 0.0);
    let run = gapless_reads(&["compare", "-"], b"alloc,1,0,0\n");
    assert!(run.stdout.contains("The program asked for nothing."), "{}", run.stdout);
}
