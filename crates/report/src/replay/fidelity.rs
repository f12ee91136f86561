//! What is told of how well a recording comes back, as JSON.

use gapless_replay::{Fidelity, Sight};
use gapless_trace::Action;
use serde::Serialize;

/// How well a recording comes back under its own settings.
#[derive(Clone, Debug, Serialize)]
pub struct FidelityFacts {
    /// The release whose rules were followed for that.
    pub framework: String,
    /// Events compared.
    pub events: usize,
    /// Events that came back, address and size alike.
    pub equal: usize,
    /// Allocations among them.
    pub allocs: usize,
    /// Allocations that got the recorded address.
    pub allocs_equal: usize,
    /// Events of segments and of mapped ranges.
    pub segment_events: usize,
    /// How many of these came back.
    pub segment_events_equal: usize,
    /// Where the replay first departs.
    pub first_difference: Option<DifferenceFacts>,
}

/// Where a replay departs from its recording.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceFacts {
    /// The event of the recording.
    pub event: usize,
    /// What was recorded.
    pub recorded: String,
    /// What the replay did.
    pub replayed: Option<String>,
    /// What that means.
    pub explanation: String,
}

impl FidelityFacts {
    pub(crate) fn of(fidelity: &Fidelity, framework: String) -> Self {
        let difference = fidelity.first_difference.as_ref();
        Self {
            framework,
            events: fidelity.events,
            equal: fidelity.equal,
            allocs: fidelity.allocs,
            allocs_equal: fidelity.allocs_equal,
            segment_events: fidelity.segment_events,
            segment_events_equal: fidelity.segment_events_equal,
            first_difference: difference.map(|difference| DifferenceFacts {
                event: difference.event,
                recorded: sight(&difference.recorded),
                replayed: difference.replayed.as_ref().map(sight),
                explanation: difference.explanation.clone(),
            }),
        }
    }

    /// Whether everything came back.
    pub fn is_exact(&self) -> bool {
        self.equal == self.events
    }
}

fn sight(sight: &Sight) -> String {
    let verb = match sight.action {
        Action::Alloc => "a request",
        Action::FreeRequested => "a free",
        Action::FreeCompleted => "the end of a free",
        Action::SegmentAlloc => "a segment taken",
        Action::SegmentFree => "a segment given back",
        Action::SegmentMap => "a range mapped",
        Action::SegmentUnmap => "a range unmapped",
        Action::OutOfMemory => return format!("a failure, {} asked for", sight.size),
        Action::Snapshot
        | Action::Annotate
        | Action::RecordStream
        | Action::EmptyCache
        | Action::Synchronize
        | Action::Unknown => "something else",
    };
    format!("{verb}, {} at {}", sight.size, sight.addr)
}
