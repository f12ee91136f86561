//! How an allocator does on a recording: what it needs, what it wastes, what it asks of the device.

use std::ops::Range;

use gapless_device::Costs;
use gapless_units::Bytes;

use crate::contender::Contender;
use crate::program::Program;
use crate::run::ReplayError;
use crate::search::{GRANULE, Search};
use crate::trial::Trial;

/// Operations that are carried out, and pages mapped, to look whether other sizes than the one found do:
/// on either side.
const LOOKED_AT: u64 = 3_000_000;

/// One allocator on one recording.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The allocator.
    pub contender: Contender,
    /// The most that was alive at once, after rounding to 512 bytes.
    pub peak_live: Bytes,
    /// Without a limit.
    pub uncapped: Trial,
    /// With the smallest memory at which it completes.
    pub at_capacity: Trial,
    /// That memory.
    pub smallest_capacity: Bytes,
    /// The smallest memory at which it completes and no request waits for the device.
    pub stall_free_capacity: Bytes,
    /// Whether more memory than the smallest was met with which it does not complete.
    pub has_gaps: bool,
    /// Whether more memory than the smallest was met with which requests wait.
    pub has_stalling_gaps: bool,
}

impl Comparison {
    /// The share of `capacity` that the program can never use, from 0 to 1. Below 0 for an allocator that
    /// rounds to less than 512 bytes and makes use of it.
    pub fn waste(&self, capacity: Bytes) -> f64 {
        if capacity.is_zero() { 0.0 } else { 1.0 - self.peak_live.share_of(capacity) }
    }
}

/// Puts a program through an allocator without a limit, and searches what it needs at least.
/// `last_iteration` is a range of its operations.
pub fn compare(
    program: &Program,
    contender: &Contender,
    costs: &Costs,
    last_iteration: Option<&Range<usize>>,
) -> Result<Comparison, ReplayError> {
    let peak_live = program.met_peak(|size| size.round_up(Bytes::new(512)));
    let uncapped = contender.run(program, None, costs, last_iteration)?;
    if !uncapped.completed() {
        return Err(ReplayError::TooMuch { live: peak_live });
    }
    let most = uncapped.peak_reserved;
    let run = |available| contender.run(program, Some(available), costs, last_iteration);
    let completes = |available| run(available).map(|it| it.completed());
    let work = program.operations.len() as u64 + uncapped.calls.granules_mapped;
    let tries = (LOOKED_AT / work.max(1)).clamp(8, 2000);
    // Not every allocator rounds to 512 bytes.
    let alive = program.met_peak(|size| size);
    let search = Search { least: alive, most, resolution: GRANULE, tries };
    let is_calm = |available| contender.is_stall_free(program, available, costs);
    let least = Least::found(&search, completes, is_calm)?;
    Ok(Comparison {
        contender: contender.clone(),
        peak_live,
        uncapped,
        at_capacity: run(least.to_complete)?,
        smallest_capacity: least.to_complete,
        stall_free_capacity: least.to_be_calm,
        has_gaps: least.fails_above,
        has_stalling_gaps: least.waits_above,
    })
}

/// The least memory found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Least {
    /// With which the program completes.
    to_complete: Bytes,
    /// With which no request waits, either.
    to_be_calm: Bytes,
    /// Whether it fails with some more than the first.
    fails_above: bool,
    /// Whether it fails or requests wait with some more than the second.
    waits_above: bool,
}

impl Least {
    fn found(
        search: &Search,
        completes: impl Fn(Bytes) -> Result<bool, ReplayError>,
        is_calm: impl Fn(Bytes) -> Result<bool, ReplayError>,
    ) -> Result<Self, ReplayError> {
        let (to_complete, failed_above) = search.find(&completes)?;
        // Often the least of all needs no wait; then nothing less is to be found.
        let (to_be_calm, waits_above) = if is_calm(to_complete)? {
            (to_complete, failed_above || search.fails_above(to_complete, &is_calm)?)
        } else {
            Search { least: to_complete, ..*search }.smallest_that(&is_calm)?
        };
        // Where no request waits with any of those tried, the program completes with all of them.
        let is_calm_above = to_complete == to_be_calm && !waits_above;
        let fails_above =
            failed_above || !is_calm_above && search.fails_above(to_complete, &completes)?;
        Ok(Self { to_complete, to_be_calm, fails_above, waits_above })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found where a program completes with 100 MiB and more, and waits or fails with some of it.
    fn found(waits: &[u64], fails: &[u64]) -> (u64, u64, bool, bool) {
        let of = |mib: u64| Bytes::mib(mib);
        let search = Search { least: of(90), most: of(140), resolution: GRANULE, tries: 1000 };
        let completes = |size| Ok(of(100) <= size && fails.iter().all(|&mib| of(mib) != size));
        let is_calm = |size| Ok(completes(size)? && waits.iter().all(|&mib| of(mib) != size));
        let it = Least::found(&search, completes, is_calm).unwrap();
        let mib = |size: Bytes| size.get() / Bytes::mib(1).get();
        (mib(it.to_complete), mib(it.to_be_calm), it.fails_above, it.waits_above)
    }

    #[test]
    fn more_memory_is_looked_at_for_waits_and_for_failures() {
        assert_eq!(found(&[], &[]), (100, 100, false, false));
        assert_eq!(found(&[120], &[]), (100, 100, false, true));
        assert_eq!(found(&[], &[120]), (100, 100, true, true));
        assert_eq!(found(&[100, 102], &[]), (100, 104, false, false));
        assert_eq!(found(&[100, 120], &[130]), (100, 102, true, true));
    }
}
