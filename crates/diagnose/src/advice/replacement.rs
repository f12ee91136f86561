//! Another allocator in the place of PyTorch's: not a setting but a change of the program, so it is
//! told beside the prescription and never is one.

use gapless_device::CallCounts;
use gapless_replay::{Contender, ReplayError, compare};
use gapless_units::Bytes;

use super::sweep::{Sweep, Trial};

/// The allocator that is offered.
const OFFERED: &str = "gapless";

/// What it has to save, of what the best setting reserves, to be offered where that setting fits.
const WORTH: f64 = 0.05;

/// The same recording through another allocator.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// Which, and its settings.
    pub contender: Contender,
    /// The operation whose request failed on the card, or without a limit where the card is not
    /// known.
    pub failed: Option<usize>,
    /// The most that was reserved there.
    pub peak_reserved: Bytes,
    /// Requests that waited for the device there.
    pub stalls: u64,
    /// How often the device was called there.
    pub calls: CallCounts,
    /// What that takes, in nanoseconds.
    pub modelled_nanos: u64,
    /// The smallest card found, what is outside included.
    pub smallest_capacity: Bytes,
    /// The share of that card's memory within reach that is not alive at the peak.
    pub waste: f64,
}

impl Replacement {
    /// Whether every request was met.
    pub fn completed(&self) -> bool {
        self.failed.is_none()
    }

    /// Whether it is worth saying: it fits and no setting does, or it reserves clearly less than
    /// the best setting that does.
    pub fn is_offered(&self, trials: &[Trial]) -> bool {
        if !self.completed() {
            return false;
        }
        let fitting = trials.iter().filter(|trial| trial.outcome.completed());
        let least = fitting.map(|trial| trial.outcome.peak.reserved).min();
        least.is_none_or(|least| WORTH <= least.saturating_sub(self.peak_reserved).share_of(least))
    }
}

impl Sweep {
    /// Puts the recording through the allocator that is offered; nothing where it is not there, or where
    /// no device holds the program.
    pub fn replace(&self) -> Result<Option<Replacement>, ReplayError> {
        let Some(contender) = Contender::named(OFFERED) else { return Ok(None) };
        let program = self.program().asking_what_failed();
        let costs = &self.terms.costs;
        let compared = match compare(&program, &contender, costs, None) {
            Err(ReplayError::TooMuch { .. }) => return Ok(None),
            compared => compared?,
        };
        let waste = compared.waste(compared.smallest_capacity);
        let trial = match self.terms.capacity {
            Some(capacity) => {
                let reach = capacity.saturating_sub(self.terms.outside);
                contender.run(&program, Some(reach), costs, None)?
            }
            None => compared.uncapped,
        };
        Ok(Some(Replacement {
            contender,
            failed: trial.failed.map(|(operation, _)| operation),
            peak_reserved: trial.peak_reserved,
            stalls: trial.stalls,
            calls: trial.calls,
            modelled_nanos: trial.modelled_nanos,
            smallest_capacity: compared.smallest_capacity + self.terms.outside,
            waste,
        }))
    }
}
