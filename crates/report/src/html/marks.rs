//! What is marked along the events: failures, and the ranges that the program named.

use std::collections::BTreeMap;

use gapless_trace::{Action, LabelId, Stacks, Trace};
use gapless_units::Micros;
use serde_json::{Value, json};

/// The most marks of a kind that a page carries; more cannot be told apart on it.
const MOST_MARKS: usize = 10_000;

/// Every request that failed for good: `[event, requested bytes, device's free bytes]`.
pub(super) fn failures(trace: &Trace) -> Value {
    let actions = trace.events.actions().iter().enumerate();
    let failed = actions.filter(|&(_, &action)| action == Action::OutOfMemory);
    failed
        .take(MOST_MARKS)
        .map(|(index, _)| {
            let event = trace.events.get(index);
            json!([index, event.size.get(), event.device_free().get()])
        })
        .collect()
}

/// The named ranges as `[name, first instant, first instant behind]`.
///
/// Ends are matched with the last start of the same name. A range without an end reaches to the
/// end of the recording, an end without a start is left out.
pub(super) fn ranges(trace: &Trace, stacks: &Stacks) -> Value {
    let mut open: BTreeMap<LabelId, Vec<usize>> = BTreeMap::new();
    let mut ranges: Vec<(usize, usize, LabelId)> = Vec::new();
    let clock = running_latest(trace.events.times());
    for annotation in &trace.annotations {
        let instant = clock.partition_point(|&time| time < annotation.time);
        let starts = open.entry(annotation.name).or_default();
        if annotation.starts {
            starts.push(instant);
        } else if let Some(start) = starts.pop() {
            ranges.push((start, instant, annotation.name));
        }
    }
    for (name, starts) in open {
        ranges.extend(starts.into_iter().map(|start| (start, trace.events.len(), name)));
    }
    ranges.sort_unstable();
    let range =
        |(start, end, name): (usize, usize, LabelId)| json!([stacks.text(name), start, end]);
    ranges.into_iter().take(MOST_MARKS).map(range).collect()
}

/// The latest time up to each event, so that it can be searched although clocks step back.
fn running_latest(times: &[Micros]) -> Vec<Micros> {
    let mut latest = Micros(i64::MIN);
    let later = |&time: &Micros| {
        latest = latest.max(time);
        latest
    };
    times.iter().map(later).collect()
}

#[cfg(test)]
mod tests {
    use gapless_units::MIB;

    use super::super::sample::sample;
    use super::*;

    #[test]
    fn every_failure_says_what_was_asked_and_what_was_free() {
        assert_eq!(failures(&sample().0), json!([[7, 30 * MIB, 512]]));
    }

    #[test]
    fn a_range_reaches_from_its_start_to_its_end_or_to_that_of_the_recording() {
        let (trace, stacks) = sample();
        let name = "Optimizer.step#AdamW.step";
        assert_eq!(ranges(&trace, &stacks), json!([[name, 2, 5], [name, 6, 8]]));
    }

    #[test]
    fn a_clock_that_steps_back_is_read_by_its_latest_time() {
        let times = [5, 7, 3, 9].map(Micros);
        assert_eq!(running_latest(&times), [5, 7, 7, 9].map(Micros));
    }
}
