//! What a recording covers: since when, and with what detail.

use crate::allocation::Allocation;
use crate::event::{Action, Events};
use crate::instant::Instant;
use crate::note::Note;
use crate::totals::Totals;

/// Notes on what happened before the recording and on what it does not say.
pub(crate) fn coverage(events: &Events, allocations: &[Allocation], start: Totals) -> Vec<Note> {
    let older = allocations.partition_point(|a| a.born == Instant::START);
    let (older, recorded) = allocations.split_at(older);
    [no_requests(events), warm_start(events, older, start), missing_stacks(older, recorded)]
        .into_iter()
        .flatten()
        .collect()
}

fn has_requests(events: &Events) -> bool {
    events.actions().contains(&Action::Alloc)
}

fn no_requests(events: &Events) -> Option<Note> {
    (!has_requests(events)).then(|| {
        let text = "no request was recorded, only the state at the end: history was not being \
                    recorded when the snapshot was taken";
        Note::missing("no-requests", text)
    })
}

fn warm_start(events: &Events, older: &[Allocation], start: Totals) -> Option<Note> {
    let began_late = has_requests(events) && start != Totals::default();
    began_late.then(|| {
        let text = format!(
            "the recording begins with {} in {} blocks and {} reserved: it was started late, or \
             its ring of events overflowed",
            start.active,
            older.len(),
            start.reserved
        );
        Note::remark("warm-start", text)
    })
}

fn missing_stacks(older: &[Allocation], recorded: &[Allocation]) -> Option<Note> {
    let (of_older, of_recorded) = (without_stack(older), without_stack(recorded));
    let mut reasons = Vec::new();
    if 0 < of_older {
        reasons.push(format!("{of_older} are older than the recording"));
    }
    if 0 < of_recorded && of_recorded == recorded.len() {
        reasons.push(format!("all {of_recorded} recorded ones: stacks were switched off"));
    } else if 0 < of_recorded {
        reasons.push(format!(
            "{of_recorded} of {} recorded ones were allocated on threads without Python frames, \
             such as autograd's",
            recorded.len()
        ));
    }
    let text = format!("blocks without a stack: {}", reasons.join("; "));
    (!reasons.is_empty()).then(|| Note::missing("missing-stacks", text))
}

fn without_stack(allocations: &[Allocation]) -> usize {
    allocations.iter().filter(|allocation| !allocation.stack.is_some()).count()
}
