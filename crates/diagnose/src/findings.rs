//! The catalog of findings. Each has a file; its first comment is the page users read.

use crate::case::Case;
use crate::finding::Finding;

/// One kind of finding.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its stable name.
    pub code: &'static str,
    /// Looks for it.
    pub look: fn(&Case<'_>) -> Vec<Finding>,
}

/// Every kind of finding.
pub const CATALOG: &[Check] = &[];
