//! The catalog of findings. Each has a file; its first comment is the page users read.

mod by_site;
mod stranded;
mod worth;

mod leak;
mod warm_up;
mod cache_growth;
mod surplus;
mod varying_sizes;
mod churn;
mod small_survivors;
mod stranded_on_streams;
mod stranded_in_pools;
mod waiting_frees;
mod rounding;
mod flush_and_retry;
mod peak_makers;

use crate::case::Case;
use crate::finding::Finding;
use crate::finding::Rank::{self, Cause, Remark, Symptom};

/// One kind of finding.
#[derive(Clone, Copy)]
pub struct Check {
    /// Its stable name.
    pub code: &'static str,
    /// How it relates to others.
    pub rank: Rank,
    /// Looks for it.
    pub look: fn(&Case<'_>) -> Vec<Finding>,
}

/// Every kind of finding.
pub const CATALOG: &[Check] = &[
    Check { code: leak::CODE, rank: Cause, look: leak::look },
    Check { code: warm_up::CODE, rank: Remark, look: warm_up::look },
    Check { code: cache_growth::CODE, rank: Symptom, look: cache_growth::look },
    Check { code: surplus::CODE, rank: Symptom, look: surplus::look },
    Check { code: varying_sizes::CODE, rank: Cause, look: varying_sizes::look },
    Check { code: churn::CODE, rank: Symptom, look: churn::look },
    Check { code: small_survivors::CODE, rank: Cause, look: small_survivors::look },
    Check { code: stranded_on_streams::CODE, rank: Cause, look: stranded_on_streams::look },
    Check { code: stranded_in_pools::CODE, rank: Cause, look: stranded_in_pools::look },
    Check { code: waiting_frees::CODE, rank: Cause, look: waiting_frees::look },
    Check { code: rounding::CODE, rank: Cause, look: rounding::look },
    Check { code: flush_and_retry::CODE, rank: Symptom, look: flush_and_retry::look },
    Check { code: peak_makers::CODE, rank: Cause, look: peak_makers::look },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_a_name_of_its_own() {
        let mut codes: Vec<_> = CATALOG.iter().map(|check| check.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CATALOG.len());
    }
}
