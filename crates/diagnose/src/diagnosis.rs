//! Everything gapless can say about one device of a recording.

use std::cmp::Reverse;

use gapless_trace::{Framework, Instant, Stacks, State, Trace};
use gapless_units::Bytes;

use crate::blame::Blame;
use crate::case::Case;
use crate::finding::{Finding, Rank};
use crate::findings::CATALOG;
use crate::iterations::Iterations;
use crate::ledger::Ledger;
use crate::ransom::Ransom;
use crate::request::Request;
use crate::site::Sites;
use crate::verdict::Verdict;

/// What is asked about a trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// The instant to look at; the failure or else the end where not given.
    pub at: Option<Instant>,
    /// The memory of the device, where known.
    pub capacity: Option<Bytes>,
    /// What made the recording, where known.
    pub framework: Option<&'a Framework>,
    /// Whether the request that failed last did so while our own allocator heard of a capture.
    pub in_capture: bool,
}

/// The diagnosis of one device.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The instant looked at.
    pub at: Instant,
    /// Segments and blocks at that instant.
    pub state: State,
    /// The request in question.
    pub request: Option<Request>,
    /// Where every reserved byte is.
    pub ledger: Ledger,
    /// What the recording proves.
    pub verdict: Verdict,
    /// Who holds the gaps.
    pub blame: Blame,
    /// The cheapest blocks whose release would serve the request, where it is not served as is.
    pub ransom: Option<Ransom>,
    /// The iterations, where the program has them.
    pub iterations: Option<Iterations>,
    /// What else is wrong: causes before symptoms before remarks, the heaviest of each first.
    pub findings: Vec<Finding>,
    /// The memory that the device has at least: what is reserved, and what is free of it where told.
    pub known: Bytes,
    /// The device's memory outside of the allocator, where the capacity is known.
    pub outside: Option<Bytes>,
}

impl Diagnosis {
    /// Diagnoses one device.
    pub fn of(trace: &Trace, stacks: &Stacks, sites: &Sites, question: &Question<'_>) -> Self {
        let at = question.at.or_else(|| trace.failure().map(Instant::after));
        let at = at.unwrap_or_else(|| trace.end()).min(trace.end());
        let state = trace.state_at(at);
        let request = Request::in_question(trace, at);
        let ledger = Ledger::of(trace, &state, request.as_ref());
        let blame = Blame::of(trace, &state, sites);
        let iterations = Iterations::find(trace, stacks);
        let case = Case {
            trace,
            stacks,
            sites,
            framework: question.framework,
            in_capture: question.in_capture,
            state: &state,
            request: request.as_ref(),
            ledger: &ledger,
            blame: &blame,
            iterations: iterations.as_ref(),
        };
        let verdict = Verdict::of(&case, question.capacity);
        let findings = findings(&case);
        let ransom = request.as_ref().and_then(|r| Ransom::cheapest(trace, &state, &ledger, r));
        let device_free = request.as_ref().and_then(Request::device_free);
        let known = ledger.reserved() + device_free.unwrap_or_default();
        let capacity = question.capacity.filter(|_| device_free.is_some());
        let outside = capacity.map(|capacity| capacity.saturating_sub(known));
        Self {
            at,
            state,
            request,
            ledger,
            verdict,
            blame,
            ransom,
            iterations,
            findings,
            known,
            outside,
        }
    }
}

/// Looks for every finding of the catalog.
fn findings(case: &Case<'_>) -> Vec<Finding> {
    let looked = CATALOG
        .iter()
        .flat_map(|check| (check.look)(case).into_iter().map(|finding| (check.rank, finding)));
    let mut ranked: Vec<(Rank, Finding)> = looked.collect();
    ranked.sort_by_key(|(rank, finding)| (*rank, Reverse(finding.bytes), finding.code));
    ranked.into_iter().map(|(_, finding)| finding).collect()
}
