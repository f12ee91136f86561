//! Sweeps, carried out on all cores.

use gapless::device::Costs;
use gapless::diagnose::advice::{Advice, Capacities, Replacement, Sweep, Terms};
use gapless::replay::{Check, NEWEST_RELEASE, ReplayError, Setup};
use gapless::report::{AdvisedDevice, DeviceAdviceFacts, Examination};
use gapless::trace::{Instant, Release, Settings};
use gapless::units::Bytes;

use super::parallel::answers;
use crate::progress::Progress;

/// The most operations that are replayed along the way of an explanation, all candidates
/// together: less than a second's worth on one core.
const MOST_ALONG_THE_WAY: usize = 8_000_000;

/// There are about so many candidates, and twice as many where settings are in force.
const CANDIDATES: usize = 80;

/// So many times more where the program died: who asks why wants to know what helps.
const MORE_FOR_A_FAILURE: usize = 4;

/// What a sweep is asked; what is not given comes from the recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) settings: Option<Settings>,
    pub(super) release: Option<Release>,
    pub(super) capacity: Option<Bytes>,
    pub(super) outside: Option<Bytes>,
    pub(super) request: Option<Bytes>,
    pub(super) costs: Costs,
}

/// What is searched for besides the trials.
enum Searched {
    Card(Result<Capacities, ReplayError>),
    Replacement(Result<Option<Replacement>, ReplayError>),
}

/// The sweep over a device of a recording, and how well the recording comes back.
pub(super) fn prepare(
    recorded: &Examination,
    place: usize,
    wishes: &Wishes,
) -> Result<(Option<Check>, Sweep), ReplayError> {
    let trace = &recorded.devices[place].trace;
    let own = recorded.settings(trace).cloned().unwrap_or_default();
    let check = recorded.check(place)?;
    let checked = check.as_ref().map_or(NEWEST_RELEASE, |check| check.release);
    let terms = Terms {
        settings: wishes.settings.clone().unwrap_or(own),
        release: wishes.release.unwrap_or(checked),
        capacity: wishes.capacity,
        outside: wishes.outside.unwrap_or(Setup::USUAL_OUTSIDE),
        costs: wishes.costs.clone(),
        request: wishes.request,
    };
    Ok((check, Sweep::new(trace, terms)))
}

/// Tries all candidates, then, where `progress_name` is given, searches the smallest cards of the
/// best and says how far that is.
pub(super) fn carry_out(
    sweep: &Sweep,
    progress_name: Option<&str>,
    is_quiet: bool,
) -> Result<Advice, ReplayError> {
    let count = sweep.candidates.len();
    let quiet = is_quiet || progress_name.is_none();
    let progress = Progress::new(count, quiet);
    progress.say(format!("replaying {} under other settings", progress_name.unwrap_or_default()));
    let trials = answers(count, |place| sweep.try_one(place), || progress.step());
    drop(progress);
    // A setting that asks the impossible of the device is no candidate; the current one is.
    let mut tried = Vec::with_capacity(count);
    for (place, trial) in trials.into_iter().enumerate() {
        match trial {
            Ok(trial) => tried.push(trial),
            Err(error) if place == 0 => return Err(error),
            Err(_) => {}
        }
    }
    if progress_name.is_none() {
        return Ok(sweep.conclude(tried, Vec::new(), None));
    }
    let finalists = sweep.finalists(&tried);
    let progress = Progress::new(finalists.len() + 1, quiet);
    progress.say("searching the smallest cards".to_owned());
    // The other allocator first: its searches take longest.
    let search = |index: usize| match index.checked_sub(1) {
        None => Searched::Replacement(sweep.replace()),
        Some(index) => Searched::Card(sweep.capacity_of(finalists[index])),
    };
    let (mut cards, mut replacement) = (Vec::new(), None);
    for found in answers(finalists.len() + 1, search, || progress.step()) {
        match found {
            Searched::Card(found) => cards.extend(found.ok()),
            Searched::Replacement(found) => replacement = found.ok().flatten(),
        }
    }
    Ok(sweep.conclude(tried, cards, replacement))
}

/// What becomes of the advice on a device that is explained.
pub(super) enum AlongTheWay {
    Advice(Box<DeviceAdviceFacts>),
    /// A sweep takes more than a second.
    TooLong,
    /// There is none to be had.
    Nothing,
}

/// The advice on a device, where a sweep takes under a second.
pub(super) fn along_the_way(
    recorded: &Examination,
    place: usize,
    capacity: Option<Bytes>,
) -> AlongTheWay {
    let trace = &recorded.devices[place].trace;
    if recorded.is_ours() || !trace.is_consistent() {
        return AlongTheWay::Nothing;
    }
    // Every candidate asks for what is older, and then replays one operation for an event at most.
    let older = trace.allocations.iter().filter(|it| it.born == Instant::START).count();
    let more = if trace.failure().is_some() { MORE_FOR_A_FAILURE } else { 1 };
    let in_force = recorded.settings(trace).is_some_and(|own| !own.text.is_empty());
    let candidates = if in_force { 2 * CANDIDATES } else { CANDIDATES };
    if more * MOST_ALONG_THE_WAY / candidates < trace.events.len() + older {
        return AlongTheWay::TooLong;
    }
    let advice = advice_on(recorded, place, capacity);
    advice.map_or(AlongTheWay::Nothing, |advice| AlongTheWay::Advice(Box::new(advice)))
}

fn advice_on(
    recorded: &Examination,
    place: usize,
    capacity: Option<Bytes>,
) -> Option<DeviceAdviceFacts> {
    // What was outside when the request failed is there in the replay as well.
    let outside = recorded.devices[place].diagnosis.outside;
    let wishes = Wishes { capacity, outside, ..Wishes::default() };
    let (check, sweep) = prepare(recorded, place, &wishes).ok()?;
    let advice = carry_out(&sweep, None, true).ok()?;
    let device = AdvisedDevice { place, check, sweep, advice, now: None, prescribed: None };
    Some(DeviceAdviceFacts::of(&device, recorded))
}
