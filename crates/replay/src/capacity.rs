//! The smallest card on which a program completes.

use gapless_units::Bytes;

use crate::program::Program;
use crate::run::{ReplayError, run};
use crate::search::{GRANULE, Search};
use crate::setup::{ENDLESS, OnFailure, Setup};
use crate::start::Start;

/// What a search for the smallest card found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallestCapacity {
    /// The smallest card found on which the program completes, what is outside included.
    pub capacity: Bytes,
    /// Whether a larger card was met on which it does not, so that smaller ones may do as well.
    pub has_gaps: bool,
}

/// Searches the smallest card on which a program completes, between what is alive at most and
/// what it reserves on a card without limit; to 2 MiB, or a two-thousandth of what is alive where
/// that is more.
pub fn smallest_capacity(
    program: &Program,
    start: &Start,
    setup: &Setup,
    live_peak: Bytes,
    unlimited_peak: Bytes,
) -> Result<SmallestCapacity, ReplayError> {
    if ENDLESS < live_peak {
        return Err(ReplayError::TooMuch { live: live_peak });
    }
    let completes = |available: Bytes| -> Result<bool, ReplayError> {
        let capacity = Some(available + setup.outside);
        let setup = Setup { capacity, on_failure: OnFailure::Stop, ..setup.clone() };
        run(program, start, &setup).map(|outcome| outcome.completed())
    };
    let resolution = Bytes::new(live_peak.get() / 2000).max(GRANULE).round_up(GRANULE);
    let search = Search { least: live_peak, most: unlimited_peak, resolution, tries: 0 };
    let (works, has_gaps) = search.smallest_that(completes)?;
    Ok(SmallestCapacity { capacity: works + setup.outside, has_gaps })
}
