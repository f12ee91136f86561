//! Facts: the only types that leave, as JSON of the schema [`SCHEMA`].
//!
//! Every report is told from these, so no two of them can differ in a number. Sizes are integers
//! of bytes and say so in their names; instants are numbers of events; shares are from 0 to 1.
//!
//! ```text
//!   Examination ──► Facts ─┬─► json       as it stands
//!                          ├─► text       a screen for people
//!                          ├─► markdown   for an issue or a pull request
//!                          └─► html       beside the columns of the trace
//! ```
//!
//! Keys are only ever added; one that changes its meaning changes the schema's number.

mod place;

mod at;
mod totals;

mod ledger;
mod question;

mod blame;
mod finding;
mod iterations;
mod ransom;

mod prescription;

mod device;
mod recording;

use serde::Serialize;

use crate::examination::Examination;

pub use at::{AtFacts, PeakAtFacts};
pub use blame::{BlameFacts, OmittedFacts};
pub use device::{DeviceFacts, VerdictFacts};
pub use finding::{EvidenceFacts, FindingFacts};
pub use iterations::{IterationsFacts, SourceFacts};
pub use ledger::{CauseFacts, FreeFacts, LedgerFacts, PoolFacts};
pub use place::Place;
pub use prescription::PrescribedFacts;
pub use question::{FailureFacts, RequestFacts};
pub use ransom::{RansomBlockFacts, RansomFacts, RansomSiteFacts};
pub use recording::{FrameworkFacts, HostFacts, NoteFacts, RecordingFacts};
pub use totals::{EndFacts, TotalsFacts};

/// The name and number of the schema.
pub const SCHEMA: &str = "gapless.explain/1";

/// Everything gapless says about a recording.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The file.
    pub recording: RecordingFacts,
    /// Its devices.
    pub devices: Vec<DeviceFacts>,
}

impl Facts {
    /// The facts of an examination.
    pub fn of(examination: &Examination) -> Self {
        let devices = examination.devices.iter();
        Self {
            schema: SCHEMA,
            recording: RecordingFacts::of(examination),
            devices: devices.map(|examined| DeviceFacts::of(examination, examined)).collect(),
        }
    }
}
