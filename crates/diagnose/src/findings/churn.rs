//! # `churn`: large buffers made and dropped again and again
//!
//! **What it means.** One line asks for large buffers many times and lets go of each almost at once.
//! They are served from the cache, so this costs little time; but each takes the best-fitting gap
//! for a moment, and whatever long-lived is placed meanwhile ends up beside it.
//!
//! **Why it happens.** Temporary results in expressions, masks and position tables made anew in
//! each layer, copies made by `.contiguous()` or a change of type.
//!
//! **What to do.** Make the buffer once and write into it (`out=`, in-place operations), or make it
//! outside of the loop over layers. It helps where sizes repeat; where they vary, pad first.

use std::collections::BTreeMap;

use gapless_trace::{Allocation, Instant, StackId};
use gapless_units::Bytes;

use super::worth::{counted, worth};
use crate::case::Case;
use crate::finding::{Evidence, Finding};
use crate::site::SiteId;

pub(super) const CODE: &str = "churn";

/// Smaller buffers come from the small pool and disturb nobody.
const LARGE: Bytes = Bytes::mib(1);
/// A buffer that is let go of within this many events is dropped almost at once.
const SHORT: usize = 30;
/// Fewer buffers are no habit.
const FEWEST: usize = 100;
/// The share of a line's buffers that has to be dropped almost at once.
const MOSTLY: f64 = 0.8;
/// How many lines are shown.
const MOST_EVIDENCE: usize = 8;

#[derive(Clone, Copy)]
struct Habit {
    stack: StackId,
    count: usize,
    short: usize,
    largest: Bytes,
    total: Bytes,
}

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut habits: Vec<Habit> = habits(case)
        .into_values()
        .filter(|habit| FEWEST <= habit.count && MOSTLY * habit.count as f64 <= habit.short as f64)
        .collect();
    habits.sort_by_key(|habit| (std::cmp::Reverse(habit.largest), habit.stack));
    habits.truncate(MOST_EVIDENCE);
    let largest: Bytes = habits.iter().map(|habit| habit.largest).sum();
    if largest < worth(case) {
        return Vec::new();
    }
    let count: usize = habits.iter().map(|habit| habit.count).sum();
    let total: Bytes = habits.iter().map(|habit| habit.total).sum();
    let evidence = |habit: &Habit| Evidence {
        what: format!(
            "{} times, {} in all, the largest {}",
            habit.count, habit.total, habit.largest
        ),
        bytes: habit.largest,
        count: habit.count,
        stack: habit.stack,
    };
    vec![Finding {
        code: CODE,
        title: format!("{count} short-lived buffers at {}", counted(habits.len(), "line")),
        bytes: largest,
        summary: format!(
            "These lines made {count} buffers of {total} in all and let go of nearly each within \
             {SHORT} events. One buffer a line, kept, would take {largest}."
        ),
        evidence: habits.iter().map(evidence).collect(),
        advice: vec![
            "Where the sizes repeat, make the buffer once and write into it (`out=`, in-place \
             operations). Pre-allocation does not help where every size is new: pad first."
                .to_owned(),
        ],
    }]
}

fn habits(case: &Case<'_>) -> BTreeMap<SiteId, Habit> {
    let mut habits: BTreeMap<SiteId, Habit> = BTreeMap::new();
    let recorded = case.trace.allocations.iter().filter(|a| Instant::START < a.born);
    for allocation in recorded.filter(|a| LARGE < a.requested && a.stack.is_some()) {
        let none = Bytes::ZERO;
        let stack = allocation.stack;
        let new = Habit { stack, count: 0, short: 0, largest: none, total: none };
        let habit = habits.entry(case.sites.site(stack)).or_insert(new);
        habit.count += 1;
        habit.short += usize::from(is_short(allocation));
        habit.largest = habit.largest.max(allocation.size);
        habit.total += allocation.requested;
    }
    habits
}

fn is_short(allocation: &Allocation) -> bool {
    allocation.let_go.events() - allocation.born.events() <= SHORT
}
