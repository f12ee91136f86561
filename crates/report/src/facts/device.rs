//! A device: everything gapless says about it.

use std::collections::BTreeMap;

use gapless_diagnose::{Ledger, Verdict};
use gapless_units::Bytes;
use serde::Serialize;

use super::at::{AtFacts, PeakAtFacts};
use super::blame::{BlameFacts, OmittedFacts};
use super::finding::FindingFacts;
use super::iterations::IterationsFacts;
use super::ledger::LedgerFacts;
use super::prescription::PrescribedFacts;
use super::question::{FailureFacts, RequestFacts};
use super::ransom::RansomFacts;
use super::totals::{EndFacts, TotalsFacts};
use crate::examination::{Examination, Examined};

/// Everything gapless says about a device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceFacts {
    /// The device.
    pub device: u32,
    /// Its events.
    pub events: usize,
    /// The allocator's settings as they were given, `""` for the defaults; null where not
    /// recorded.
    pub settings: Option<String>,
    /// Whether nothing recorded of it contradicts anything else; nothing below can be believed
    /// where not.
    pub consistent: bool,
    /// Whether the recording says where blocks were placed.
    pub placed: bool,
    /// Before the first event.
    pub start: TotalsFacts,
    /// The largest of each total.
    pub peak: TotalsFacts,
    /// When each maximum was reached first.
    pub peak_at: PeakAtFacts,
    /// After the last event.
    pub end: EndFacts,
    /// The last request that failed for good.
    pub failure: Option<FailureFacts>,
    /// The request that free memory is measured against.
    pub request: Option<RequestFacts>,
    /// Where every reserved byte is.
    pub ledger: LedgerFacts,
    /// The memory of the device outside of the allocator, where the capacity is known.
    pub outside_bytes: Option<u64>,
    /// What the recording proves.
    pub verdict: VerdictFacts,
    /// The cheapest blocks whose release would serve the request.
    pub ransom: Option<RansomFacts>,
    /// Who holds the gaps, the heaviest first.
    pub blame: Vec<BlameFacts>,
    /// What is left out of it.
    pub blame_omitted: OmittedFacts,
    /// What else is wrong, the heaviest first.
    pub findings: Vec<FindingFacts>,
    /// The iterations, where the program has them.
    pub iterations: Option<IterationsFacts>,
    /// The change of settings that a replay recommends; null where none does, and where the
    /// recording is too long to be replayed along the way.
    pub prescription: Option<PrescribedFacts>,
    /// Whether none was looked for because the recording is that long.
    pub prescription_unsought: bool,
}

/// What the recording proves.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictFacts {
    /// Which of the closed list.
    pub kind: &'static str,
    /// The same in words.
    pub title: &'static str,
    /// The proof in a sentence or two.
    pub summary: String,
    /// The numbers of the proof.
    #[serde(flatten)]
    pub numbers: BTreeMap<&'static str, u64>,
}

impl VerdictFacts {
    pub(crate) fn of(verdict: &Verdict) -> Self {
        Self {
            kind: verdict.kind.name(),
            title: verdict.kind.title(),
            summary: verdict.summary.clone(),
            numbers: verdict.numbers.clone(),
        }
    }
}

impl DeviceFacts {
    pub(crate) fn of(examination: &Examination, examined: &Examined) -> Self {
        let Examination { stacks, sites, .. } = examination;
        let Examined { trace, diagnosis } = examined;
        let peak = trace.peak_totals();
        let (blame, blame_omitted) = BlameFacts::all(&diagnosis.blame.rows, stacks, sites);
        let findings = diagnosis.findings.iter();
        let ransom = diagnosis.ransom.as_ref();
        Self {
            device: trace.device.0,
            events: trace.events.len(),
            settings: examination.settings(trace).map(|settings| settings.text.clone()),
            consistent: trace.is_consistent(),
            placed: trace.is_placed(),
            start: trace.start_totals().into(),
            peak: peak.into(),
            peak_at: PeakAtFacts::of(trace),
            end: end(examined),
            failure: FailureFacts::of(trace, stacks, sites),
            request: diagnosis.request.as_ref().map(|r| RequestFacts::of(r, stacks, sites)),
            ledger: LedgerFacts::of(
                &diagnosis.ledger,
                AtFacts::of(trace, diagnosis.at),
                diagnosis.at,
            ),
            outside_bytes: diagnosis.outside.map(Bytes::get),
            verdict: VerdictFacts::of(&diagnosis.verdict),
            ransom: ransom.map(|ransom| RansomFacts::of(ransom, trace, stacks, sites)),
            blame,
            blame_omitted,
            findings: findings
                .map(|finding| FindingFacts::of(finding, peak.reserved, stacks, sites))
                .collect(),
            iterations: diagnosis.iterations.as_ref().map(IterationsFacts::of),
            prescription: None,
            prescription_unsought: false,
        }
    }
}

/// The state after the last event, which need not be the one that was diagnosed.
fn end(examined: &Examined) -> EndFacts {
    let Examined { trace, diagnosis } = examined;
    let totals = trace.end_totals();
    if diagnosis.at == trace.end() {
        return EndFacts::of(totals, diagnosis.ledger.segments, diagnosis.ledger.largest_gap);
    }
    let ledger = Ledger::of(trace, &trace.state_at(trace.end()), None);
    EndFacts::of(totals, ledger.segments, ledger.largest_gap)
}
