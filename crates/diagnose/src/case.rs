//! What a finding is looked for in.

use gapless_trace::{Framework, Stacks, State, Trace};

use crate::blame::Blame;
use crate::iterations::Iterations;
use crate::ledger::Ledger;
use crate::request::Request;
use crate::site::Sites;

/// A trace with everything already known about it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What happened.
    pub trace: &'a Trace,
    /// The call stacks.
    pub stacks: &'a Stacks,
    /// The line behind each stack.
    pub sites: &'a Sites,
    /// What made the recording, where known.
    pub framework: Option<&'a Framework>,
    /// Whether the request that failed last did so while a graph was captured.
    pub in_capture: bool,
    /// Segments and blocks at the instant in question.
    pub state: &'a State,
    /// The request in question.
    pub request: Option<&'a Request>,
    /// The ledger at that instant.
    pub ledger: &'a Ledger,
    /// Who holds the gaps at that instant.
    pub blame: &'a Blame,
    /// The iterations, where the program has them.
    pub iterations: Option<&'a Iterations>,
}

impl Case<'_> {
    /// Whether our own allocator tells of itself.
    pub fn is_ours(&self) -> bool {
        self.framework.is_some_and(Framework::is_gapless)
    }

    /// The call that gives free memory back.
    pub fn flush(&self) -> &'static str {
        if self.is_ours() { "`trim`" } else { "`torch.cuda.empty_cache()`" }
    }

    /// The same in short.
    pub fn flush_in_short(&self) -> &'static str {
        if self.is_ours() { "`trim`" } else { "`empty_cache`" }
    }
}
