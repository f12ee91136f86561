//! Findings, in numbers and sentences.

use gapless_diagnose::{Finding, Sites};
use gapless_trace::Stacks;
use gapless_units::Bytes;
use serde::Serialize;

use super::place::{Place, place, stack};

/// Something wrong, or worth knowing.
#[derive(Clone, Debug, Serialize)]
pub struct FindingFacts {
    /// The stable name of its kind.
    pub code: &'static str,
    /// What is wrong in a few words.
    pub title: String,
    /// Its weight.
    pub bytes: u64,
    /// Its weight as a share of the peak of reserved bytes.
    pub share_of_peak: f64,
    /// The cause, with its numbers.
    pub summary: String,
    /// What to change, the most useful first.
    pub advice: Vec<String>,
    /// What proves it, the heaviest first.
    pub evidence: Vec<EvidenceFacts>,
}

/// One thing that proves a finding.
#[derive(Clone, Debug, Serialize)]
pub struct EvidenceFacts {
    /// What it is.
    pub what: String,
    /// The bytes it stands for.
    pub bytes: u64,
    /// How many blocks or events it stands for.
    pub count: usize,
    /// The line of the program, where known.
    pub site: Option<Place>,
    /// The stack.
    pub stack: Vec<Place>,
}

impl FindingFacts {
    pub(super) fn of(finding: &Finding, peak: Bytes, stacks: &Stacks, sites: &Sites) -> Self {
        let evidence = finding.evidence.iter().map(|evidence| EvidenceFacts {
            what: evidence.what.clone(),
            bytes: evidence.bytes.get(),
            count: evidence.count,
            site: place(stacks, sites, sites.site(evidence.stack)),
            stack: stack(stacks, evidence.stack),
        });
        Self {
            code: finding.code,
            title: finding.title.clone(),
            bytes: finding.bytes.get(),
            share_of_peak: (finding.bytes.share_of(peak) * 1e6).round() / 1e6,
            summary: finding.summary.clone(),
            advice: finding.advice.clone(),
            evidence: evidence.collect(),
        }
    }
}
