//! Where a replay departs from its recording, and what that means.

use gapless_trace::Action;

use super::sight::Sight;

/// Where a replay departs from its recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The event of the recording.
    pub event: usize,
    /// What was recorded.
    pub recorded: Sight,
    /// What the replay did instead; nothing where it did nothing.
    pub replayed: Option<Sight>,
    /// What that means, in words.
    pub explanation: String,
}

impl Difference {
    /// At an event, with what that means.
    pub(super) fn new(event: usize, recorded: Sight, replayed: Option<Sight>) -> Self {
        Self { event, recorded, replayed, explanation: explain(recorded, replayed) }
    }
}

/// What a difference means.
fn explain(recorded: Sight, replayed: Option<Sight>) -> String {
    let Some(replayed) = replayed else {
        return "the recording has an event here that its settings do not lead to: the program \
                changed settings or released memory in a way that leaves no trace"
            .to_owned();
    };
    match (recorded.action, replayed.action) {
        (Action::Alloc, Action::Alloc) if recorded.size == replayed.size => format!(
            "the request went to {} and by the rules to {}: a free block was larger or smaller, or \
             its segment older, than the recording lets know",
            recorded.addr, replayed.addr
        ),
        (Action::Alloc, Action::SegmentAlloc | Action::SegmentMap) => {
            "the request was served from the cache and by the rules needs the device: something \
             was free that the recording does not show"
                .to_owned()
        }
        (Action::SegmentAlloc | Action::SegmentMap, Action::Alloc) => {
            "the device was asked although by the rules a free block serves: the settings were \
             others then, or the block was not free"
                .to_owned()
        }
        (Action::SegmentFree | Action::SegmentUnmap, _) => {
            "memory went back to the device that by the rules stays: a private pool ended, or the \
             cache was collected by a rule the recording does not show"
                .to_owned()
        }
        _ => "the replay does something else here; events before it are equal".to_owned(),
    }
}
