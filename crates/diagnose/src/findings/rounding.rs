//! # `rounding`: blocks larger than what was asked for
//!
//! **What it means.** At the busiest moment the blocks in use were this much larger than the requests
//! they served.
//!
//! **Why it happens.** Every request is rounded up to 512 bytes; a large block that is at most 1 MiB too
//! large is not cut; and `roundup_power2_divisions` rounds up to steps between powers of two, on
//! purpose, so that similar sizes can share blocks.
//!
//! **What to do.** With `roundup_power2_divisions` set, more divisions waste less and share less: 8
//! wastes at most 12.5 %, 4 at most 25 %. Without it, rounding matters only for very many tiny
//! tensors or many tensors just above 1 MiB: fuse them (`foreach` optimizers, flat parameters).
//! `expandable_segments:True` cuts large blocks to 512 bytes. A flush or a restart changes nothing.

use super::by_site::BySite;
use super::worth::{busiest, counted, try_expandable, worth};
use crate::case::Case;
use crate::finding::Finding;

pub(super) const CODE: &str = "rounding";

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let instant = busiest(case.trace);
    let mut lost = BySite::new(case);
    for allocation in case.trace.allocations.iter().filter(|a| a.is_active(instant)) {
        lost.add(allocation.stack, allocation.size.saturating_sub(allocation.requested));
    }
    let bytes = lost.total();
    if bytes < worth(case) {
        return Vec::new();
    }
    let active = case.trace.peak_totals().active;
    let share = 100.0 * bytes.share_of(active);
    let settings = case.trace.settings.as_ref();
    let by_setting = settings.is_some_and(|s| s.roundup_power2_divisions.iter().any(|&d| 1 < d));
    let advice = if by_setting {
        vec!["`roundup_power2_divisions` asks for this: more divisions waste less (8 at most 12.5 %), \
         and let fewer sizes share a block. Leave it out where sizes repeat anyway."
            .to_owned()]
    } else {
        let fuse = "Fuse many small tensors (flat parameters, `foreach` optimizers).".to_owned();
        let expand = try_expandable(case, "large blocks are then cut to 512 bytes.");
        std::iter::once(fuse).chain(expand).collect()
    };
    vec![Finding {
        code: CODE,
        title: format!("{bytes} were lost to rounding at the peak"),
        bytes,
        summary: format!(
            "At the busiest moment ({instant}) {active} were in use, {bytes} of them ({share:.1} \
             %) beyond what was asked for."
        ),
        evidence: lost.evidence(|share| format!("lost in {}", counted(share.count, "block"))),
        advice,
    }]
}
