//! What an allocator counts, held against what a shadow counts.

use gapless_allocator::Statistic;

/// Each statistic is the shadow's number, over both kinds of pools, and of all that came and went.
pub(crate) fn check_counts(sums: &[(&str, Statistic, u64)]) -> Result<(), String> {
    for &(name, told, counted) in sums {
        let parts = told.small_pool.current + told.large_pool.current;
        let net = told.all.allocated - told.all.freed;
        if told.all.current != counted || parts != counted || net != counted {
            return Err(format!("{name} is {told:?}, the shadow counts {counted}"));
        }
    }
    Ok(())
}
