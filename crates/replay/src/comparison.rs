//! How an allocator does on a recording: what it needs, what it wastes, what it asks of the device.

use std::ops::Range;

use gapless_device::Costs;
use gapless_units::Bytes;

use crate::capacity::{GRANULE, Search};
use crate::contender::Contender;
use crate::program::Program;
use crate::run::ReplayError;
use crate::trial::Trial;

/// Operations that are carried out to look whether other sizes than the one found do: on either side.
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
    let tries = LOOKED_AT / (program.operations.len() as u64).max(1);
    let tries = tries.clamp(8, 2000);
    // Not every allocator rounds to 512 bytes.
    let least = program.met_peak(|size| size);
    let search = Search { least, most, resolution: GRANULE, tries };
    let (smallest_capacity, was_met) = search.find(completes)?;
    let at_capacity = run(smallest_capacity)?;
    let is_calm = |available| contender.is_stall_free(program, available, costs);
    // Often the smallest of all needs no stop; then nothing smaller is to be found.
    let (stall_free_capacity, has_stalling_gaps) = if at_capacity.is_stall_free() {
        (smallest_capacity, was_met || search.fails_above(smallest_capacity, is_calm)?)
    } else {
        Search { least: smallest_capacity, ..search }.smallest_that(is_calm)?
    };
    // Where no request waits with any, the program completes with all.
    let is_calm_above = smallest_capacity == stall_free_capacity && !has_stalling_gaps;
    let has_gaps = was_met || !is_calm_above && search.fails_above(smallest_capacity, completes)?;
    Ok(Comparison {
        contender: contender.clone(),
        peak_live,
        uncapped,
        at_capacity,
        smallest_capacity,
        stall_free_capacity,
        has_gaps,
        has_stalling_gaps,
    })
}
