//! What the gapless allocator maps once a program has settled: the last iteration of each
//! recording, sixty times over. Nothing.
//!
//! The recordings of the project always; those of the folder that `GAPLESS_TRACES` names where it
//! is named.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::print_stdout, reason = "the figures are worth reading")]

use std::path::{Path, PathBuf};

use gapless::device::Costs;
use gapless::replay::{Contender, Repeating};
use gapless::report::{Asked, ComparedDevice, Examination, Source};
use gapless::units::Bytes;

/// How often the last iteration comes.
const COPIES: usize = 60;

/// In so many of the last copies nothing is to be mapped.
const SETTLED: usize = 3;

/// For each device with iterations: the pages mapped in each of the last copies.
fn mapped(path: &Path) -> Vec<[u64; SETTLED]> {
    let limits = gapless::formats::Limits::default();
    let bytes = std::fs::read(path).unwrap();
    let source = Source { path: path.display().to_string(), bytes: Bytes::new(bytes.len() as u64) };
    let Ok(recording) = gapless::formats::read(bytes, &limits) else { return Vec::new() };
    let Ok(recorded) = Examination::of(recording, source, &Asked::default()) else {
        return Vec::new();
    };
    let devices = (0..recorded.devices.len()).map(|at| ComparedDevice::of(&recorded, at).unwrap());
    devices.filter_map(|device| mapped_on(&device)).collect()
}

fn mapped_on(device: &ComparedDevice) -> Option<[u64; SETTLED]> {
    let iteration = device.last_iteration.clone()?;
    let Repeating { program, starts } = Repeating::of(&device.program, iteration, COPIES);
    let ours = Contender::named("gapless").unwrap();
    let costs = Costs::preset("a100").unwrap();
    let last: [usize; SETTLED] = std::array::from_fn(|back| COPIES - SETTLED + back);
    Some(last.map(|copy| {
        let trial = ours.run(&program, None, &costs, Some(&(starts[copy]..starts[copy + 1])));
        trial.unwrap().in_span.unwrap().granules_mapped
    }))
}

/// How many programs of a folder have iterations; none of them maps anything any more.
fn check_folder(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    let mut programs = 0;
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for pages in mapped(&path) {
            println!("{name}: {pages:?} pages");
            assert_eq!(pages, [0; SETTLED], "{name}");
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
