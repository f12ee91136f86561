//! The way from the bytes of a file to a diagnosis, which no bytes may break.

use gapless_diagnose::{Diagnosis, Question, Sites};
use gapless_formats::{Limits, read};
use gapless_trace::Trace;

/// Reads, rebuilds and diagnoses every device of whatever the bytes are.
pub fn explain(bytes: Vec<u8>) {
    let Ok(recording) = read(bytes, &Limits::default()) else { return };
    let sites = Sites::of(&recording.stacks);
    for device in recording.devices.into_iter().chain(recording.pinned_host) {
        let Ok(trace) = Trace::rebuild(device) else { continue };
        let question = Question { framework: recording.framework.as_ref(), ..Question::default() };
        let diagnosis = Diagnosis::of(&trace, &recording.stacks, &sites, &question);
        assert_eq!(diagnosis.ledger.reserved(), diagnosis.state.reserved());
    }
}
