//! One recording under many settings.

use gapless_device::Costs;
use gapless_replay::{
    Candidate, OnFailure, Outcome, Program, ReplayError, Setup, SmallestCapacity, Start,
    candidates, run, smallest_capacity,
};
use gapless_trace::{Action, Release, Settings, SizeRules, Trace};
use gapless_units::Bytes;

/// On what card a program is to run, and what it runs with now.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The settings now.
    pub settings: Settings,
    /// The release now.
    pub release: Release,
    /// The card's memory; where it is not known, the advice is what saves most.
    pub capacity: Option<Bytes>,
    /// What of it the allocator cannot have.
    pub outside: Bytes,
    /// What the device's calls take.
    pub costs: Costs,
    /// One more request to meet at the end.
    pub request: Option<Bytes>,
}

/// A sweep over one recording. Every candidate, the current settings among them, begins on an
/// empty allocator, so that all are compared alike.
#[derive(Clone, Debug)]
pub struct Sweep {
    program: Program,
    /// On what.
    pub terms: Terms,
    /// Whether the capacity was inferred from a recorded failure.
    pub inferred: bool,
    /// What is tried, the current settings first.
    pub candidates: Vec<Candidate>,
}

/// One candidate, tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its place among the candidates.
    pub place: usize,
    /// What became of it on the card, or without limit where the card is not known.
    pub outcome: Outcome,
    /// What is alive at most, rounded as its settings say.
    pub live_peak: Bytes,
}

/// The smallest card for a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacities {
    /// The candidate's place.
    pub place: usize,
    /// The smallest card found.
    pub smallest: SmallestCapacity,
    /// The share of that card's memory within reach that is not alive at the peak.
    pub waste: f64,
}

impl Sweep {
    /// What there is to try on a trace. Where no capacity is given and the recording ends out of
    /// memory, the card is what was reserved and free then.
    pub fn new(trace: &Trace, mut terms: Terms) -> Self {
        let mut program = Program::of(trace).begun_anew();
        let recorded = recorded_card(trace);
        let inferred = terms.capacity.is_none() && recorded.is_some();
        if inferred {
            terms.capacity = recorded.map(|reach| reach + terms.outside);
        }
        if let Some(request) = terms.request {
            program.ask_at_end(request);
        }
        let limited = terms.capacity.is_some();
        let candidates = candidates(&program, &terms.settings, terms.release, limited);
        Self { program, terms, inferred, candidates }
    }

    /// How many operations a trial carries out.
    pub fn operations(&self) -> usize {
        self.program.operations.len()
    }

    /// Tries a candidate.
    pub fn try_one(&self, place: usize) -> Result<Trial, ReplayError> {
        let setup = self.setup(place, self.terms.capacity);
        let outcome = run(&self.program, &Start::empty(), &setup)?;
        Ok(Trial { place, outcome, live_peak: self.live_peak(place) })
    }

    /// Searches the smallest card for a candidate.
    pub fn capacity_of(&self, place: usize) -> Result<Capacities, ReplayError> {
        let setup = self.setup(place, None);
        let start = Start::empty();
        let unlimited = run(&self.program, &start, &setup)?.peak.reserved;
        let live = self.live_peak(place);
        let smallest = smallest_capacity(&self.program, &start, &setup, live, unlimited)?;
        let reach = smallest.capacity.saturating_sub(setup.outside);
        Ok(Capacities { place, smallest, waste: 1.0 - live.share_of(reach).min(1.0) })
    }

    /// The program that is replayed.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Under what a candidate is replayed.
    pub fn setup(&self, place: usize, capacity: Option<Bytes>) -> Setup {
        let candidate = &self.candidates[place];
        Setup {
            release: candidate.release,
            capacity,
            outside: self.terms.outside,
            on_failure: OnFailure::Stop,
            costs: self.terms.costs.clone(),
            ..Setup::new(candidate.settings.clone())
        }
    }

    fn live_peak(&self, place: usize) -> Bytes {
        let rules = SizeRules::new(&self.candidates[place].settings);
        self.program.live_peak(|size| rules.round(size))
    }
}

/// What a recorded failure says the allocator could reach: what it held and what was free.
fn recorded_card(trace: &Trace) -> Option<Bytes> {
    if !trace.is_placed() {
        return None;
    }
    let failure = trace.failure()?;
    let reserved = trace.totals().nth(failure + 1)?.reserved;
    let event = trace.events.get(failure);
    (event.action == Action::OutOfMemory).then(|| reserved + event.device_free())
}
