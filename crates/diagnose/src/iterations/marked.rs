//! Iterations by what the program marked: the range whose starts recur most regularly.
//!
//! PyTorch's optimizers mark each step (`Optimizer.step#AdamW.step`) and its profiler each of its
//! own (`ProfilerStep#3`). Where a name comes several times in an iteration, as with two optimizers
//! of one class, and so at irregular distances, every second (third, fourth) start is tried too.

use std::collections::BTreeMap;

use gapless_trace::{Action, Instant, Stacks, Trace};
use gapless_units::Micros;

use super::{FEWEST, IterationSource, variation};

/// A name the profiler gives to iterations, whatever else is marked.
const PROFILER: &str = "ProfilerStep";
/// Names with this beginning mark iterations even where they come irregularly.
const OPTIMIZER: &str = "Optimizer.";
/// Marks of other names have to come at distances that vary less than this.
const REGULAR: f64 = 0.5;
/// How often a name may come in one iteration.
const MOST_PER_ITERATION: usize = 4;
/// Variations that differ by less count as the same.
const STEP: f64 = 0.1;
/// A rest behind the last mark counts as an iteration if it has this share of its allocations.
const WHOLE: f64 = 0.95;

/// The starts of the iterations that annotations tell.
pub(super) fn find(trace: &Trace, stacks: &Stacks) -> Option<(Vec<Instant>, IterationSource)> {
    let births = births(trace);
    let marks = marks(trace, stacks);
    let candidates = marks.iter().flat_map(|(&name, starts)| {
        (1..=MOST_PER_ITERATION).map(move |every| (name, every, starts))
    });
    let ranked = candidates.filter_map(|(name, every, starts)| {
        let singly = variation(starts.iter().map(|instant| births[instant.events()]));
        if 1 < every && singly <= REGULAR {
            return None;
        }
        let mut chosen: Vec<Instant> = starts.iter().copied().step_by(every).collect();
        chosen.extend(whole_rest(trace, &births, &chosen));
        if chosen.len() <= FEWEST {
            return None;
        }
        let counts = chosen.iter().map(|instant| births[instant.events()]);
        let steps = (variation(counts) / STEP).round();
        let known = name.starts_with(PROFILER) || name.starts_with(OPTIMIZER);
        (known || steps * STEP <= REGULAR).then_some((name, steps, chosen))
    });
    let (name, _, starts) = ranked.min_by(|(name, steps, starts), (other, others, theirs)| {
        let profiler = other.starts_with(PROFILER).cmp(&name.starts_with(PROFILER));
        let regular = steps.total_cmp(others);
        let more = theirs.len().cmp(&starts.len());
        profiler.then(regular).then(more).then(starts[0].cmp(&theirs[0])).then(name.cmp(other))
    })?;
    Some((starts, IterationSource::Annotation(name.to_owned())))
}

/// How many blocks were born before each instant.
fn births(trace: &Trace) -> Vec<usize> {
    let mut count = 0;
    let mut births = Vec::with_capacity(trace.events.len() + 1);
    births.push(0);
    births.extend(trace.events.actions().iter().map(|&action| {
        count += usize::from(action == Action::Alloc);
        count
    }));
    births
}

/// The end of the trace, where what follows the last start is as long as an iteration.
fn whole_rest(trace: &Trace, births: &[usize], starts: &[Instant]) -> Option<Instant> {
    let at = |instant: &Instant| births[instant.events()];
    let shortest = starts.windows(2).map(|pair| at(&pair[1]) - at(&pair[0])).min()?;
    let end = trace.end();
    let rest = at(&end) - starts.last().map_or(0, at);
    (0 < rest && WHOLE * shortest as f64 <= rest as f64).then_some(end)
}

/// By name the instants at which a range of that name started, ascending and distinct.
fn marks<'s>(trace: &Trace, stacks: &'s Stacks) -> BTreeMap<&'s str, Vec<Instant>> {
    let starts = trace.annotations.iter().filter(|annotation| annotation.starts);
    let mut starts: Vec<(Micros, &str)> =
        starts.map(|mark| (mark.time, without_number(stacks.text(mark.name)))).collect();
    starts.sort_unstable();
    let times = trace.events.times();
    let Some(&first) = times.first() else { return BTreeMap::new() };
    if times.iter().all(|&time| time == first) {
        return BTreeMap::new();
    }
    let mut marks: BTreeMap<&str, Vec<Instant>> = BTreeMap::new();
    let mut events = 0;
    for (time, name) in starts.into_iter().filter(|&(time, _)| first <= time) {
        // Clocks of several threads may step back a little: a mark belongs before the first
        // event that is not older.
        events += times[events..].iter().take_while(|&&event| event < time).count();
        let instant = super::before(events);
        let of_name = marks.entry(name).or_default();
        if of_name.last() != Some(&instant) {
            of_name.push(instant);
        }
    }
    marks
}

/// A mark's name without the number of the iteration: `ProfilerStep#3` is a `ProfilerStep`.
fn without_number(name: &str) -> &str {
    let text = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let separated = text.ends_with(['#', ' ', '_', '-', ':', '=']);
    if text.len() < name.len() && separated {
        text.trim_end_matches(['#', ' ', '_', '-', ':', '='])
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_part_of_a_name() {
        for (name, kept) in [
            ("ProfilerStep#3", "ProfilerStep"),
            ("iteration 17", "iteration"),
            ("Optimizer.step#AdamW.step", "Optimizer.step#AdamW.step"),
            ("relu6", "relu6"),
            ("42", "42"),
        ] {
            assert_eq!(without_number(name), kept);
        }
    }
}
