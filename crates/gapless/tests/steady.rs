//! What the gapless allocator maps once a program has settled: the last iteration of each
//! recording, sixty times over. Nothing.
//!
//! The recordings of the project always; those of the folder that `GAPLESS_TRACES` names where it
//! is named.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::print_stdout, reason = "the figures are worth reading")]

use std::ops::Range;
use std::path::{Path, PathBuf};

use gapless::device::Costs;
use gapless::replay::{Contender, Repeating};
use gapless::report::{Asked, ComparedDevice, Examination, Source};
use gapless::units::Bytes;

/// How often the last iteration comes.
const COPIES: usize = 60;

/// In so many of the last copies nothing is to be mapped.
const SETTLED: usize = 3;

/// How a program comes to rest.
struct Settling {
    /// How many copies have passed with the last that maps a page.
    copies: usize,
    /// How many pages they mapped.
    pages: u64,
}

/// For each device with iterations: how its program comes to rest.
fn settling(path: &Path) -> Vec<Settling> {
    let limits = gapless::formats::Limits::default();
    let bytes = std::fs::read(path).unwrap();
    let source = Source { path: path.display().to_string(), bytes: Bytes::new(bytes.len() as u64) };
    let Ok(recording) = gapless::formats::read(bytes, &limits) else { return Vec::new() };
    let Ok(recorded) = Examination::of(recording, source, &Asked::default()) else {
        return Vec::new();
    };
    let devices = (0..recorded.devices.len()).map(|at| ComparedDevice::of(&recorded, at).unwrap());
    devices.filter_map(|device| settling_on(&device)).collect()
}

fn settling_on(device: &ComparedDevice) -> Option<Settling> {
    let iteration = device.last_iteration.clone()?;
    let Repeating { program, starts } = Repeating::of(&device.program, iteration, COPIES);
    let ours = Contender::named("gapless").unwrap();
    let costs = Costs::preset("a100").unwrap();
    let mapped = |copies: Range<usize>| {
        let span = starts[copies.start]..starts[copies.end];
        ours.run(&program, None, &costs, Some(&span)).unwrap().in_span.unwrap().granules_mapped
    };
    let all: Vec<usize> = (0..COPIES).collect();
    let copies = all.partition_point(|&copy| 0 < mapped(copy..COPIES));
    let pages = if copies == 0 { 0 } else { mapped(0..copies) };
    Some(Settling { copies, pages })
}

/// How many programs of a folder have iterations; none of them maps anything in the last copies.
fn check_folder(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    let mut programs = 0;
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for Settling { copies, pages } in settling(&path) {
            println!("{name}: {pages} pages in the first {copies} copies, none afterwards");
            assert!(copies <= COPIES - SETTLED, "{name} maps pages in copy {copies}");
            programs += 1;
        }
    }
    programs
}

#[test]
fn recordings_of_the_project_come_to_rest() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    assert!(3 <= check_folder(&recordings));
}

#[test]
fn recordings_beside_the_project_come_to_rest() {
    if let Some(traces) = std::env::var_os("GAPLESS_TRACES") {
        let folder = |name| check_folder(&Path::new(&traces).join(name));
        assert!(20 <= folder("recorded") + folder("real"));
    }
}
