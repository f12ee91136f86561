//! The ways from the bytes of a file to a diagnosis and through a replay, which no bytes may break.

use gapless_diagnose::{Diagnosis, Question, Sites};
use gapless_formats::{Limits, read};
use gapless_replay::{Check, OnFailure, Program, Setup, Start, run};
use gapless_trace::Trace;
use gapless_units::Bytes;

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

/// Reads, rebuilds and replays every device of whatever the bytes are.
pub fn replay(bytes: Vec<u8>) {
    let Ok(recording) = read(bytes, &Limits::default()) else { return };
    for device in recording.devices.into_iter().chain(recording.pinned_host) {
        let Ok(trace) = Trace::rebuild(device) else { continue };
        let program = Program::of(&trace);
        let settings = trace.settings.clone().unwrap_or_default();
        let _ = Check::of(&trace, &program, &settings, recording.framework.as_ref());
        let capacity = Some(Bytes::gib(1));
        let setup = Setup { capacity, on_failure: OnFailure::Skip, ..Setup::new(settings) };
        let _ = run(&program.begun_anew(), &Start::empty(), &setup);
    }
}
