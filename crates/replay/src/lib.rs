//! A recording through an allocator over a device.
//!
//! ```text
//!   Trace ──► Program ──────────────► run ──► Outcome     what would have happened
//!     │       requests, frees, …       ▲
//!     └─────► Start ───────────────────┘
//!             what was there before
//! ```
//!
//! A [`Program`] is what the recorded program asked for, without where it got it. [`run`] puts it
//! through an allocator on a simulated device under a [`Setup`]. [`Fidelity`] says how well that
//! predicts: the recording replayed under its own settings, every address compared.

mod gapless_settings;
mod setup;
mod outcome;

mod groups;
mod requests;
mod program;
mod repeating;
mod start;
mod run;
mod life;
mod ages;
mod fidelity;
mod search;
mod capacity;
mod sweep;
mod trial;
mod contender;
mod comparison;

pub use capacity::{SmallestCapacity, smallest_capacity};
pub use comparison::{Comparison, compare};
pub use contender::Contender;
pub use gapless_settings::GaplessSettings;
pub use sweep::{Candidate, candidates};
pub use trial::{SpanCost, Trial};

/// The newest release whose rules are known.
pub const NEWEST_RELEASE: gapless_trace::Release = gapless_allocator::Rules::NEWEST;

pub use fidelity::{Check, Difference, Fidelity, Sight};
pub use life::{Life, live};
pub use outcome::{Failure, Outcome};
pub use program::{Operation, Program};
pub use repeating::Repeating;
pub use requests::{RequestId, Requested};
pub use run::{ReplayError, Run, Watcher, run, run_watched};
pub use setup::{OnFailure, ReplayedBy, Setup};
pub use start::Start;
