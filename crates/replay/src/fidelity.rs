//! How well a replay predicts: a recording under its own settings, every event compared.

mod sight;
mod difference;
mod follower;

use gapless_allocator::Rules;
use gapless_allocator::caching::TieBreak;
use gapless_trace::{Framework, Release, Settings, Trace};

use crate::program::Program;
use crate::run::ReplayError;
use crate::setup::{OnFailure, Setup};
use crate::start::Start;
use follower::Follower;

pub use difference::Difference;
pub use sight::Sight;

/// How much of a recording its replay gave back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fidelity {
    /// Events compared: allocations, frees, failures and what the device gave and got back.
    pub events: usize,
    /// How many of them the replay gave back, address and size alike.
    pub equal: usize,
    /// Allocations among the events.
    pub allocs: usize,
    /// Allocations that got the recorded address.
    pub allocs_equal: usize,
    /// Segments taken and given back, ranges mapped and unmapped.
    pub segment_events: usize,
    /// How many of them the replay gave back.
    pub segment_events_equal: usize,
    /// Where the replay first departs.
    pub first_difference: Option<Difference>,
}

impl Fidelity {
    /// Whether the replay gave everything back.
    pub fn is_exact(&self) -> bool {
        self.equal == self.events
    }

    /// The share of events given back, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.events == 0 { 1.0 } else { self.equal as f64 / self.events as f64 }
    }
}

/// A recording replayed under its own settings.
#[derive(Clone, Debug)]
pub struct Check {
    /// The release whose rules were followed.
    pub release: Release,
    /// How well that went.
    pub fidelity: Fidelity,
    /// The state before the first event, with the ages of its segments as far as they show.
    pub start: Start,
}

impl Check {
    /// Replays a placed trace under `settings` by the rules of the release that gives most of it
    /// back, among those that may have made it; the newest of equals.
    pub fn of(
        trace: &Trace,
        program: &Program,
        settings: &Settings,
        framework: Option<&Framework>,
    ) -> Result<Self, ReplayError> {
        let mut best: Option<Self> = None;
        for release in releases_of(framework) {
            let check = Self::by(trace, program, settings, release)?;
            let better =
                best.as_ref().is_none_or(|best| best.fidelity.equal < check.fidelity.equal);
            if better {
                best = Some(check);
            }
            if best.as_ref().is_some_and(|best| best.fidelity.is_exact()) {
                break;
            }
        }
        best.map_or_else(|| Self::by(trace, program, settings, Rules::NEWEST), Ok)
    }

    /// Replays a placed trace under `settings` by the rules of `release`.
    pub fn by(
        trace: &Trace,
        program: &Program,
        settings: &Settings,
        release: Release,
    ) -> Result<Self, ReplayError> {
        let setup = Setup { release, on_failure: OnFailure::Skip, ..Setup::new(settings.clone()) };
        let mut start = Start::of(trace);
        if Rules::new(settings, release).tie_break == TieBreak::OldestSegment {
            let pairs = Follower::new(trace, program, &start, &setup)?.pairs();
            if !pairs.is_empty() {
                start.put_in_order(&pairs.order(start.segments.len()));
            }
        }
        let fidelity = Follower::new(trace, program, &start, &setup)?.compare();
        Ok(Self { release, fidelity, start })
    }
}

/// One release of each kind of rules that may have made a recording, the newest first.
fn releases_of(framework: Option<&Framework>) -> Vec<Release> {
    const KINDS: [(Release, Release); 3] = [
        (Release::new(2, 13), Rules::NEWEST),
        (Release::new(2, 9), Release::new(2, 12)),
        (Release::new(1, 0), Release::new(2, 8)),
    ];
    let first = framework.and_then(|framework| framework.first).unwrap_or(Release::new(1, 0));
    let last = framework.and_then(|framework| framework.last).unwrap_or(Rules::NEWEST);
    let may_be = KINDS.iter().filter(|(from, to)| first <= *to && *from <= last);
    may_be.map(|&(_, to)| to.min(last.max(first))).collect()
}
