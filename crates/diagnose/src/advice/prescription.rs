//! The smallest change that helps, and the honest answer where none does.

use gapless_replay::Candidate;
use gapless_units::Bytes;

use super::conflict::Conflict;
use super::replacement::Replacement;
use super::sweep::{Capacities, Sweep, Trial};

/// A saving below this share of what is reserved is not worth a change.
const WORTH: f64 = 0.01;
/// Savings that differ by less than this share of what is alive count as alike.
const ALIKE: f64 = 0.01;
/// How many candidates get the search for their smallest card.
const FINALISTS: usize = 6;

/// What a change is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The program does not fit: make it.
    Fit,
    /// It fits, or the card is not known: reserve less.
    Save,
}

/// A change worth making.
#[derive(Clone, Debug)]
pub struct Prescription {
    /// What it changes.
    pub candidate: Candidate,
    /// What was tried of it.
    pub trial: Trial,
    /// What to know before.
    pub conflicts: Vec<Conflict>,
    /// What it reserves less at its peak than now; nothing where it reserves more, or where the
    /// program does not get through now.
    pub saved: Bytes,
}

/// Why nothing is prescribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHelp {
    /// What is alive alone needs more than the card has.
    LiveAlone {
        /// By so much.
        missing: Bytes,
    },
    /// More than what is alive is needed under every setting.
    EverySetting {
        /// The least that is missing, under the settings searched.
        missing: Option<Bytes>,
    },
    /// Little of what is reserved is not in use: nothing is worth a change.
    NothingToSave {
        /// What the best setting would save.
        best: Bytes,
    },
}

/// The answer to a sweep.
#[derive(Clone, Debug)]
pub struct Advice {
    /// What a change was to bring.
    pub goal: Goal,
    /// The change, or why there is none.
    pub prescription: Result<Prescription, NoHelp>,
    /// What was tried, the best first.
    pub trials: Vec<Trial>,
    /// The smallest cards of the finalists.
    pub capacities: Vec<Capacities>,
    /// Another allocator, where that was tried.
    pub replacement: Option<Replacement>,
}

impl Sweep {
    /// The candidates whose smallest card is worth a search: the current settings, the change to
    /// make, and those that get farthest with least.
    pub fn finalists(&self, trials: &[Trial]) -> Vec<usize> {
        let mut ranked: Vec<&Trial> = trials.iter().filter(|trial| trial.place != 0).collect();
        ranked.sort_by_key(|trial| self.rank(trial));
        let mut places = vec![0];
        places.extend(self.choose(goal(trials), trials).map(|trial| trial.place));
        for trial in ranked {
            if places.len() < FINALISTS && !places.contains(&trial.place) {
                places.push(trial.place);
            }
        }
        places
    }

    /// The change to make, where one helps.
    fn choose<'t>(&self, goal: Goal, trials: &'t [Trial]) -> Option<&'t Trial> {
        match goal {
            Goal::Fit => self.smallest_fitting(trials),
            Goal::Save => self.best_saving(trials),
        }
    }

    /// The order of the table: what completes first, then what reserves least, then the smaller
    /// change.
    fn rank(&self, trial: &Trial) -> (bool, std::cmp::Reverse<usize>, Bytes, usize, usize) {
        let outcome = &trial.outcome;
        let fails = !outcome.completed();
        let got = if fails { outcome.operations } else { 0 };
        (fails, std::cmp::Reverse(got), outcome.peak.reserved, self.effort(trial), trial.place)
    }

    fn effort(&self, trial: &Trial) -> usize {
        self.candidates[trial.place].effort(self.terms.release)
    }

    /// Concludes from all trials, from the smallest cards of the finalists, and from another
    /// allocator.
    pub fn conclude(
        &self,
        mut trials: Vec<Trial>,
        mut capacities: Vec<Capacities>,
        replacement: Option<Replacement>,
    ) -> Advice {
        trials.sort_by_key(|trial| self.rank(trial));
        capacities.sort_by_key(|found| (found.smallest.capacity, found.place));
        let goal = goal(&trials);
        let prescription = match self.choose(goal, &trials) {
            Some(trial) => Ok(self.prescribe(trial, &trials)),
            None => Err(self.no_help(goal, &trials, &capacities)),
        };
        Advice { goal, prescription, trials, capacities, replacement }
    }

    /// The smallest change that fits; of equals the one that needs no retry, then the one with
    /// most to spare.
    fn smallest_fitting<'t>(&self, trials: &'t [Trial]) -> Option<&'t Trial> {
        let fitting = trials.iter().filter(|trial| trial.outcome.completed());
        fitting.min_by_key(|trial| {
            let retries = trial.outcome.statistics.num_alloc_retries;
            (self.effort(trial), 0 < retries, trial.outcome.peak.reserved, trial.place)
        })
    }

    /// The smallest of the changes that save about as much as the best.
    fn best_saving<'t>(&self, trials: &'t [Trial]) -> Option<&'t Trial> {
        let now = trials.iter().find(|trial| trial.place == 0)?;
        let reserved = now.outcome.peak.reserved;
        let done = || trials.iter().filter(|t| t.outcome.completed() && t.place != 0);
        let least = done().map(|trial| trial.outcome.peak.reserved).min()?;
        let saved = reserved.saturating_sub(least);
        if saved.share_of(reserved) < WORTH {
            return None;
        }
        let alike = least.get() as f64 + ALIKE * now.live_peak.get() as f64;
        let close = done().filter(|trial| trial.outcome.peak.reserved.get() as f64 <= alike);
        close.min_by_key(|trial| (self.effort(trial), trial.outcome.peak.reserved, trial.place))
    }

    fn prescribe(&self, trial: &Trial, trials: &[Trial]) -> Prescription {
        let candidate = self.candidates[trial.place].clone();
        let now = trials.iter().find(|trial| trial.place == 0 && trial.outcome.completed());
        let saved = now.map_or(Bytes::ZERO, |now| {
            now.outcome.peak.reserved.saturating_sub(trial.outcome.peak.reserved)
        });
        let conflicts = Conflict::of(&candidate);
        Prescription { candidate, trial: trial.clone(), conflicts, saved }
    }

    fn no_help(&self, goal: Goal, trials: &[Trial], capacities: &[Capacities]) -> NoHelp {
        let now = trials.iter().find(|trial| trial.place == 0);
        if goal == Goal::Save {
            let reserved = now.map_or(Bytes::ZERO, |now| now.outcome.peak.reserved);
            let least = trials.iter().filter(|t| t.outcome.completed());
            let least = least.map(|trial| trial.outcome.peak.reserved).min();
            let best = least.map_or(Bytes::ZERO, |least| reserved.saturating_sub(least));
            return NoHelp::NothingToSave { best };
        }
        let capacity = self.terms.capacity.unwrap_or_default();
        let live = now.map_or(Bytes::ZERO, |now| now.live_peak) + self.terms.outside;
        if capacity < live {
            return NoHelp::LiveAlone { missing: live - capacity };
        }
        let least = capacities.first().map(|found| found.smallest.capacity);
        NoHelp::EverySetting { missing: least.map(|least| least.saturating_sub(capacity)) }
    }
}

/// What a change is to bring, as the trial of the current settings shows.
fn goal(trials: &[Trial]) -> Goal {
    let now = trials.iter().find(|trial| trial.place == 0);
    let fits = now.is_none_or(|trial| trial.outcome.completed());
    if fits { Goal::Save } else { Goal::Fit }
}
