//! What a trace means: where every reserved byte went, why a request failed, who is to blame,
//! and what else is wrong.
//!
//! ```text
//!   Trace ──► state at the instant in question
//!               │
//!               ├─► request    the failed one, or the largest recent one
//!               ├─► ledger     every reserved byte has one cause
//!               ├─► verdict    one of a closed list, with the numbers that prove it
//!               ├─► blame      which live blocks keep free bytes unusable
//!               ├─► ransom     the cheapest live blocks whose release would serve the request
//!               └─► findings   what happens over time, one file each
//! ```
//!
//! [`Diagnosis::of`] is the way in. Nothing here knows how a diagnosis is shown.

mod site;

mod request;

mod ledger;

mod blame;
mod ransom;

mod iterations;

mod case;
mod verdict;
mod finding;
mod findings;

mod diagnosis;

pub mod advice;

pub use blame::{Blame, BlameRow, Pins};
pub use case::Case;
pub use diagnosis::{Diagnosis, Question};
pub use finding::{Evidence, Finding, Rank};
pub use findings::{CATALOG, Check};
pub use iterations::{Iteration, IterationSource, Iterations};
pub use ledger::{Cause, FreeShare, Ledger, Obstacle, PoolShare};
pub use ransom::{Ransom, RansomKind};
pub use request::{Origin, Request};
pub use site::{SiteId, Sites};
pub use verdict::{Verdict, VerdictKind};
