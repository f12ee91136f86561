//! What to change: the smallest change that makes a program fit, or saves most.
//!
//! ```text
//!   Sweep ──► trials, each pure, in any order ──► finalists ──► capacities ──► Advice
//! ```
//!
//! Nothing here runs in parallel; whoever drives a sweep may try its candidates on as many threads
//! as there are, since a trial depends on nothing but its candidate.

mod conflict;
mod sweep;
mod replacement;
mod prescription;

pub use conflict::Conflict;
pub use prescription::{Advice, Goal, NoHelp, Prescription};
pub use replacement::Replacement;
pub use sweep::{Capacities, Sweep, Terms, Trial};
