//! The curves in one level of detail: the least and the most of each total in runs of instants.
//!
//! A curve of a million instants is drawn on a thousand pixels, and a spike of one event must not
//! get lost. Runs are a power of two long and there are at most [`MOST_RUNS`]; where the view is
//! so narrow that runs are wider than pixels, the page draws single events.

use gapless_trace::{Totals, Trace};

use super::columns::{Array, Columns};

/// How many runs a curve is cut into at the most.
const MOST_RUNS: usize = 4096;

/// How to read a curve off the totals.
type Read = fn(&Totals) -> u64;

/// The names of the curves and how to read them.
const CURVES: [(&str, Read); 4] = [
    ("requested", |totals| totals.requested.get()),
    ("allocated", |totals| totals.allocated.get()),
    ("active", |totals| totals.active.get()),
    ("reserved", |totals| totals.reserved.get()),
];

/// Adds the curves to the columns and says how many instants a run has.
pub(super) fn add(trace: &Trace, columns: &mut Columns) -> usize {
    let run = run_length(trace.events.len() + 1);
    let mut least: Vec<Totals> = Vec::new();
    let mut most: Vec<Totals> = Vec::new();
    for (instant, totals) in trace.totals().enumerate() {
        if instant % run == 0 {
            least.push(totals);
            most.push(totals);
        } else if let (Some(low), Some(high)) = (least.last_mut(), most.last_mut()) {
            *low = min(*low, totals);
            *high = high.max(totals);
        }
    }
    for (name, read) in CURVES {
        for (bound, runs) in [("least", &least), ("most", &most)] {
            let bytes = runs.iter().map(|totals| read(totals).cast_signed());
            columns.steps(&format!("{name}_{bound}"), Array::F64, bytes);
        }
    }
    run
}

/// The length of a run: the smallest power of two that needs no more than [`MOST_RUNS`].
fn run_length(instants: usize) -> usize {
    instants.div_ceil(MOST_RUNS).next_power_of_two()
}

fn min(one: Totals, other: Totals) -> Totals {
    Totals {
        requested: one.requested.min(other.requested),
        allocated: one.allocated.min(other.allocated),
        active: one.active.min(other.active),
        reserved: one.reserved.min(other.reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_powers_of_two_and_few() {
        for (instants, run) in [(1, 1), (4096, 1), (4097, 2), (1_000_001, 256)] {
            assert_eq!(run_length(instants), run, "{instants}");
        }
    }
}
