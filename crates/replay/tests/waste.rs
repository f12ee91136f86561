//! What the gapless allocator wastes on recorded programs, at the least memory with which no
//! request waits for the device: at most 0.8 %, or 16 MiB where that is more, and at most 0.1 % of
//! what is alive more than any other allocator, as far as some sizes below tell; but for the programs
//! that `docs/waste.md` explains.
//!
//! The recordings of the project always; those of the folders that `GAPLESS_TRACES` and
//! `GAPLESS_ORACLE` name where they are named.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::disallowed_methods, reason = "recordings are files")]
#![expect(clippy::print_stdout, reason = "the figures are worth reading")]

use std::path::{Path, PathBuf};

use gapless_device::{Costs, Sim};
use gapless_replay::{Comparison, Contender, Program, Trial, compare};
use gapless_trace::Trace;
use gapless_units::Bytes;

/// Programs that waste more than they should, and at most how many MiB; `docs/waste.md` says why.
const KNOWN: [(&str, u64); 7] = [
    ("syn_ladder", 35),
    ("syn_streams", 86),
    ("graphs_and_pools.default", 43),
    ("graphs_and_pools.h200", 51),
    ("cs336-lm-bwd-ctx128", 31),
    ("cs336-lm-fwdbwd-ctx100", 30),
    ("cs336-lm-fwdbwd-ctx200-amp", 17),
];

/// Programs on which another allocator needs less, and at most how many MiB.
const WORSE: [(&str, &str, u64); 6] = [
    ("cs336-medium-bwd", "caching", 18),
    ("cs336-medium-bwd", "expandable", 10),
    ("cs336-medium-bwd", "page_steal", 26),
    ("cs336-xl-fwd-ctx512-expandable", "stream_pool", 54),
    ("cs336-transformer-train", "stream_pool", 4),
    ("cs336-small-fwd.", "stream_pool", 2),
];

/// How many operations streams are behind. Programs complete then with so much more than the least memory,
/// or one percent where that is more.
const BEHIND: [usize; 3] = [1, 100, 1000];
const MORE: Bytes = Bytes::mib(16);

/// The devices of a recording that ask for memory.
fn programs(path: &Path) -> Vec<Program> {
    let bytes = std::fs::read(path).unwrap();
    let limits = gapless_formats::Limits::default();
    let Ok(recording) = gapless_formats::read(bytes, &limits) else { return Vec::new() };
    let traces = recording.devices.into_iter().map(|device| Trace::rebuild(device).unwrap());
    let programs = traces.map(|trace| Program::of(&trace).begun_anew());
    programs.filter(|program| !program.met_peak(|size| size).is_zero()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// The shares wasted by the recordings of a folder, each within its bound.
fn check_folder(folder: &Path) -> Vec<f64> {
    let costs = Costs::preset("a100").unwrap();
    let mut others = Contender::catalog();
    let ours = others.pop().unwrap();
    assert_eq!(ours.name, "gapless");
    let mut shares = Vec::new();
    for path in files(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for program in programs(&path) {
            let found = compare(&program, &ours, &costs, None).unwrap();
            check(&name, &found);
            for other in &others {
                check_beside(&name, &program, &found, other);
            }
            check_behind(&name, &program, &found);
            shares.push(found.waste(found.stall_free_capacity));
        }
    }
    shares
}

fn check(name: &str, it: &Comparison) {
    assert_eq!(it.at_capacity.stalls, 0, "{name} waits for the device");
    let wasted = it.stall_free_capacity.saturating_sub(it.peak_live);
    let share = it.waste(it.stall_free_capacity);
    let usual = Bytes::mib(16).max(Bytes::new(it.peak_live.get() / 125));
    let known = KNOWN.iter().find(|(known, _)| name.starts_with(known));
    let most = known.map_or(usual, |&(_, mib)| Bytes::mib(mib));
    println!("{name}: {wasted}, {:.2} %", share * 100.0);
    assert!(wasted <= most, "{name} wastes {wasted}, more than {most}");
    let uncapped = it.uncapped.peak_reserved.saturating_sub(it.peak_live);
    let most = most.max(Bytes::new(it.peak_live.get() / 66));
    assert!(uncapped <= most, "{name} wastes {uncapped} without a limit");
}

/// Where a program's streams are behind blocks come to lie otherwise, and a little more may be needed.
fn check_behind(name: &str, program: &Program, it: &Comparison) {
    let (least, costs) = (it.stall_free_capacity, Costs::default());
    let run = |available: Bytes, behind: usize| {
        it.contender.run_behind(program, Some(available), &costs, None, behind).unwrap()
    };
    let fails = BEHIND.into_iter().filter(|&behind| !run(least, behind).completed()).count();
    let more = MORE.max(Bytes::new(least.get() / 100));
    let runs = BEHIND.map(|behind| run(least + more, behind));
    let waits = runs.iter().map(|trial| trial.stalls).max().unwrap_or_default();
    println!("{name} behind: fails in {fails} of 3; with {more} more {waits} waits at most");
    assert!(runs.iter().all(Trial::completed), "{name} fails behind with {more} more");
}

/// With less memory than ours needs, by more than may be, the program fails or waits with another
/// allocator: with a granule less, two, four and so on, as not every rule gets better with more.
fn check_beside(name: &str, program: &Program, ours: &Comparison, other: &Contender) {
    let is_it =
        |&&(known, than, _): &&(&str, &str, u64)| name.starts_with(known) && than == other.name;
    let usual = Bytes::new(ours.peak_live.get() / 1000);
    let allowed = WORSE.iter().find(is_it).map_or(usual, |&(_, _, mib)| Bytes::mib(mib));
    let ours = ours.stall_free_capacity;
    let fair = ours.saturating_sub(allowed).round_up(Sim::GRANULE);
    // Not every allocator rounds to 512 bytes.
    let alive = program.met_peak(|size| size);
    let lesser = std::iter::successors(Some(Sim::GRANULE), |&less| Some(less + less));
    let lesser = lesser.map(|less| fair.saturating_sub(less));
    for less in lesser.take_while(|&less| alive <= less) {
        let is_calm = other.is_stall_free(program, less, &Costs::default()).unwrap();
        assert!(!is_calm, "{name} needs {less} with {}, and {ours} with ours", other.name);
    }
}

#[test]
fn recordings_of_the_project_waste_little() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    assert!(11 <= check_folder(&recordings).len());
}

#[test]
fn recordings_beside_the_project_waste_little() {
    let mut shares = Vec::new();
    if let Some(traces) = std::env::var_os("GAPLESS_TRACES") {
        shares.extend(check_folder(&Path::new(&traces).join("recorded")));
        shares.extend(check_folder(&Path::new(&traces).join("real")));
    }
    if let Some(oracle) = std::env::var_os("GAPLESS_ORACLE") {
        shares.extend(check_folder(&Path::new(&oracle).join("ops")));
    }
    shares.sort_by(f64::total_cmp);
    if let Some(median) = shares.get(shares.len() / 2) {
        println!("median of {}: {:.3} %", shares.len(), median * 100.0);
        assert!(*median < 0.002, "{median}");
    }
}
