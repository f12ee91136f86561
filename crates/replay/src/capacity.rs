//! The smallest card on which a program completes.

use gapless_device::Sim;
use gapless_units::Bytes;

use crate::program::Program;
use crate::run::{ReplayError, run};
use crate::setup::{OnFailure, Setup};
use crate::start::Start;

/// The granules a card's memory comes in.
pub(crate) const GRANULE: Bytes = Sim::GRANULE;

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
    let completes = |available: Bytes| -> Result<bool, ReplayError> {
        let capacity = Some(available + setup.outside);
        let setup = Setup { capacity, on_failure: OnFailure::Stop, ..setup.clone() };
        run(program, start, &setup).map(|outcome| outcome.completed())
    };
    let resolution = Bytes::new(live_peak.get() / 2000).max(GRANULE).round_up(GRANULE);
    let (works, has_gaps) = smallest_that(live_peak, unlimited_peak, resolution, completes)?;
    Ok(SmallestCapacity { capacity: works + setup.outside, has_gaps })
}

/// The smallest memory that does, between what is alive at most and what is reserved without a
/// limit, to `resolution`; and whether more was met that does not.
pub(crate) fn smallest_that(
    live_peak: Bytes,
    unlimited_peak: Bytes,
    resolution: Bytes,
    does: impl Fn(Bytes) -> Result<bool, ReplayError>,
) -> Result<(Bytes, bool), ReplayError> {
    let mut works = unlimited_peak.max(live_peak).round_up(GRANULE);
    let mut has_gaps = false;
    // A share of the device below 1 needs a larger card than what is reserved.
    let mut tries = 0;
    while !does(works)? {
        works = (works + Bytes::new(works.get() / 8)).round_up(GRANULE);
        tries += 1;
        if 16 < tries {
            break;
        }
    }
    let mut fails = live_peak.round_down(GRANULE).saturating_sub(GRANULE);
    while resolution < works.saturating_sub(fails) {
        let middle = Bytes::new(fails.get().midpoint(works.get())).round_up(GRANULE);
        if middle == works {
            break;
        }
        if does(middle)? {
            works = middle;
        } else {
            fails = middle;
        }
    }
    // Not every rule gets better with more memory: look a little above what was found.
    for step in 1..=3_u64 {
        let above = works + Bytes::new(resolution.get() * step * 4);
        if above < unlimited_peak && !does(above)? {
            has_gaps = true;
        }
    }
    Ok((works, has_gaps))
}
