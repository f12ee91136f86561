//! What the gapless allocator maps in the long run: the iterations of each recording, again and
//! again.
//!
//! The recordings of the project always; those of the folder that `GAPLESS_TRACES` names where it
//! is named.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![expect(clippy::print_stdout, reason = "the figures are worth reading")]

mod as_recorded;
mod mixed;
mod moved;
mod repeated;

use std::path::{Path, PathBuf};

use gapless::replay::Operation;
use gapless::report::{Asked, ComparedDevice, Examination, Source};
use gapless::units::Bytes;

/// The devices with iterations of all recordings in a folder, with the names of the files. Programs that
/// give all back in their iterations are left out: they ask for it anew.
fn programs(folder: &Path) -> impl Iterator<Item = (String, ComparedDevice)> + use<> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files.into_iter().flat_map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let devices = devices(&path).into_iter().filter(|it| !it.iterations.is_empty());
        devices.filter(|it| !gives_all_back(it)).map(move |device| (name.clone(), device))
    })
}

fn gives_all_back(device: &ComparedDevice) -> bool {
    device.iterations.iter().any(|iteration| {
        device.program.operations[iteration.operations.clone()].contains(&Operation::EmptyCache)
    })
}

fn devices(path: &Path) -> Vec<ComparedDevice> {
    let limits = gapless::formats::Limits::default();
    let bytes = std::fs::read(path).unwrap();
    let source = Source { path: path.display().to_string(), bytes: Bytes::new(bytes.len() as u64) };
    let Ok(recording) = gapless::formats::read(bytes, &limits) else { return Vec::new() };
    let Ok(recorded) = Examination::of(recording, source, &Asked::default()) else {
        return Vec::new();
    };
    (0..recorded.devices.len()).map(|at| ComparedDevice::of(&recorded, at).unwrap()).collect()
}

/// Devices with iterations, and the names of their files.
type Programs = Box<dyn Iterator<Item = (String, ComparedDevice)>>;

/// Checks the recordings of the project; answers how many programs they have.
fn check_own(check: fn(Programs) -> usize) -> usize {
    check(Box::new(programs(&own())))
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings")
}

/// Checks those beside the project, where they are named, but for those that the project has as well.
fn check_others(check: fn(Programs) -> usize) -> Option<usize> {
    let traces = PathBuf::from(std::env::var_os("GAPLESS_TRACES")?);
    let folders = ["recorded", "real"].map(|name| traces.join(name));
    let programs = folders.into_iter().flat_map(|folder| programs(&folder));
    let is_other = |name: &str| {
        let name = name.trim_end_matches(".gz");
        !own().join(name).exists() && !own().join(format!("{name}.gz")).exists()
    };
    Some(check(Box::new(programs.filter(move |(name, _)| is_other(name)))))
}
