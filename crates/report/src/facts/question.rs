//! The request that failed, and the one free memory is measured against.

use gapless_diagnose::{Origin, Request, Sites};
use gapless_trace::{Action, Stacks, Trace};
use serde::Serialize;

use super::place::{Place, place, stack};

/// The last request that failed for good.
#[derive(Clone, Debug, Serialize)]
pub struct FailureFacts {
    /// The event.
    pub event: usize,
    /// What was asked for; recordings only have it after rounding.
    pub requested_bytes: u64,
    /// What the device had left.
    pub device_free_bytes: u64,
    /// How many requests failed for good in the whole recording.
    pub failures: usize,
    /// Whether nothing was allocated or freed afterwards.
    pub is_last: bool,
    /// The line of the program, where known.
    pub site: Option<Place>,
    /// The stack.
    pub stack: Vec<Place>,
}

impl FailureFacts {
    pub(super) fn of(trace: &Trace, stacks: &Stacks, sites: &Sites) -> Option<Self> {
        let index = trace.failure()?;
        let event = trace.events.get(index);
        let actions = trace.events.actions();
        let is_quiet = |action: &Action| {
            matches!(action, Action::OutOfMemory | Action::Snapshot | Action::Annotate)
        };
        Some(Self {
            event: index,
            requested_bytes: event.size.get(),
            device_free_bytes: event.device_free().get(),
            failures: actions.iter().filter(|&&action| action == Action::OutOfMemory).count(),
            is_last: actions[index..].iter().all(is_quiet),
            site: place(stacks, sites, sites.site(event.stack)),
            stack: stack(stacks, event.stack),
        })
    }
}

/// The request that free memory is measured against.
#[derive(Clone, Debug, Serialize)]
pub struct RequestFacts {
    /// Why it is the one: `failed`, `largest_recent` or `largest_alive`.
    pub origin: &'static str,
    /// The event that failed or served it, where there is one.
    pub event: Option<usize>,
    /// What was asked for.
    pub requested_bytes: u64,
    /// The block it needs.
    pub rounded_bytes: u64,
    /// What is asked of the device when no free block serves it.
    pub segment_bytes: u64,
    /// The stream.
    pub stream: u64,
    /// The pool by PyTorch's pair of numbers.
    pub pool: [u64; 2],
    /// Which half of it: `small` or `large`.
    pub size_pool: &'static str,
    /// The line of the program, where known.
    pub site: Option<Place>,
    /// The stack.
    pub stack: Vec<Place>,
}

impl RequestFacts {
    pub(super) fn of(request: &Request, stacks: &Stacks, sites: &Sites) -> Self {
        let (origin, event) = match request.origin {
            Origin::Failed { event, .. } => ("failed", Some(event)),
            Origin::LargestRecent { event } => ("largest_recent", Some(event)),
            Origin::LargestAlive => ("largest_alive", None),
        };
        Self {
            origin,
            event,
            requested_bytes: request.requested.get(),
            rounded_bytes: request.rounded.get(),
            segment_bytes: request.segment.get(),
            stream: request.stream.0,
            pool: [request.pool.0, request.pool.1],
            size_pool: request.size_pool.word(),
            site: place(stacks, sites, sites.site(request.stack)),
            stack: stack(stacks, request.stack),
        }
    }
}
