//! The verdict on a request that failed for good.
//!
//! The causes are tried in the order below, and the first that the numbers prove is the verdict.
//! *Free on the card* is what the driver said it had left; *in the cache* is what the allocator
//! held without using it.
//!
//! | verdict | proof |
//! | --- | --- |
//! | a limit was reached | a graph was captured while our own allocator failed, and all that is free would do |
//! | a defect of the framework | a gap that may serve the request, freed while it was failing |
//! | a limit was reached | with the free pages that the program pinned the card would do |
//! | a limit was reached | a gap that only the split limit forbids, or enough free on the card |
//! | stranded on another stream | a gap of another stream large enough |
//! | stranded in another pool | a gap of another pool large enough |
//! | waiting for a stream | with the pending blocks freed, a gap or the card would do |
//! | cache not released | free on the card and the whole free segments together would do |
//! | fragmentation | free on the card and all gaps the request may use would do, in pieces |
//! | stranded | the same with the gaps of other streams, or of other pools |
//! | outside memory | with the memory others hold, beyond a context's, it would do |
//! | true shortage | what is in use and the request exceed all of it |

use gapless_trace::{Action, Event, Framework, Release, Segment, State};
use gapless_units::Bytes;

use super::{Verdict, VerdictKind};
use crate::case::Case;
use crate::ledger::{Cause, Ledger, Obstacle};
use crate::request::Request;

/// What a CUDA context and its libraries hold at most before the program holds anything.
const CONTEXT: Bytes = Bytes::gib(1);
/// The last release known to fail with a gap that would serve (pytorch/pytorch issue 189504).
const LAST_WITHOUT_SECOND_SEARCH: Release = Release::new(2, 15);

/// Judges the failure of `request` on a device that had `card` bytes free.
pub(super) fn judge(
    case: &Case<'_>,
    request: &Request,
    card: Bytes,
    capacity: Option<Bytes>,
) -> Verdict {
    let failure = Failure { case, request, card, ledger: case.ledger };
    let verdict = failure
        .captured()
        .or_else(|| failure.served_by_a_gap())
        .or_else(|| failure.pinned())
        .or_else(|| failure.limited())
        .or_else(|| failure.stranded_in_one_gap())
        .or_else(|| failure.waiting())
        .or_else(|| failure.not_released())
        .or_else(|| failure.in_pieces())
        .or_else(|| failure.outside(capacity))
        .unwrap_or_else(|| failure.shortage());
    verdict
        .with("request_bytes", request.requested)
        .with("segment_bytes", request.segment)
        .with("device_free_bytes", card)
        .with("cache_free_bytes", case.ledger.free_bytes())
        .with("largest_gap_bytes", case.ledger.largest_gap)
        .with("active_bytes", case.ledger.active())
        .with("reserved_bytes", case.ledger.reserved())
}

struct Failure<'a> {
    case: &'a Case<'a>,
    request: &'a Request,
    card: Bytes,
    ledger: &'a Ledger,
}

impl Failure<'_> {
    /// Our own allocator neither moves pages nor waits while a graph is captured.
    fn captured(&self) -> Option<Verdict> {
        // What lies in private pools of others never moves.
        let request = self.request;
        let segments = self.case.state.segments.iter();
        let own = segments.filter(|it| !it.pool.is_private() || it.pool == request.pool);
        let held = |segment: &Segment| {
            let held = segment.blocks.iter().filter(|block| !block.pending);
            held.map(|block| block.extent.size()).sum::<Bytes>()
        };
        let free: Bytes = own.map(|segment| segment.extent.size() - held(segment)).sum();
        let free = free - self.ledger.pinned_free;
        if !self.case.in_capture || self.card + free < self.request.segment {
            return None;
        }
        let text = format!(
            "{} A graph was being captured: nothing moves and nothing is waited for then. {free} \
             lie free or are about to, and may serve the request as soon as the capture is over.",
            self.asked()
        );
        Some(Verdict::new(VerdictKind::LimitReached, text))
    }

    /// The opening of every sentence: what was asked for.
    fn asked(&self) -> String {
        format!("{} were asked for.", self.request.requested)
    }

    fn served_by_a_gap(&self) -> Option<Verdict> {
        let share = self.ledger.behind(Obstacle::None);
        if share.gaps == 0 {
            return None;
        }
        let (asked, largest) = (self.asked(), share.largest);
        let is_known_to = |framework: &Framework| {
            !framework.is_gapless()
                && framework.first.is_none_or(|first| first <= LAST_WITHOUT_SECOND_SEARCH)
        };
        let known = self.case.framework.is_none_or(is_known_to);
        if known && self.waited_for_streams() {
            let text = format!(
                "{asked} A gap of {largest} would have served it: it became free while the \
                 request was failing, and PyTorch does not search its cache again after waiting \
                 for the streams (pytorch/pytorch issue 189504). Asking again would have worked."
            );
            return Some(Verdict::new(VerdictKind::FrameworkDefect, text));
        }
        let text = format!(
            "{asked} A gap of {largest} would have served it, and the recording does not say why \
             it was not taken."
        );
        Some(Verdict::new(VerdictKind::CannotTell, text))
    }

    /// Whether frees completed inside the failing call: after the events of the last call that
    /// succeeded come completed frees without the request to free right before them.
    fn waited_for_streams(&self) -> bool {
        let events = &self.case.trace.events;
        let failed = self.case.state.instant.event().unwrap_or(0);
        let mut index = failed;
        while let Some(before) = index.checked_sub(1) {
            let event = events.get(before);
            match event.action {
                Action::FreeCompleted => {
                    return before.checked_sub(1).is_none_or(|i| !requests(&events.get(i), &event));
                }
                Action::SegmentFree | Action::SegmentUnmap | Action::SegmentMap => index = before,
                Action::Alloc
                | Action::FreeRequested
                | Action::SegmentAlloc
                | Action::OutOfMemory
                | Action::Snapshot
                | Action::Annotate
                | Action::RecordStream
                | Action::EmptyCache
                | Action::Synchronize
                | Action::Unknown => return false,
            }
        }
        false
    }

    /// Pages that the program pinned serve requests where they lie, and no others.
    fn pinned(&self) -> Option<Verdict> {
        let (pinned, flushable) = (self.ledger.pinned_free, self.ledger.flushable());
        let without = self.card + flushable;
        if self.request.segment <= without || without + pinned < self.request.segment {
            return None;
        }
        let text = format!(
            "{} {pinned} lie free and are pinned: they cannot move to where they are needed until \
             `unpin`. {} were free on the card, and {flushable} in other whole pages.",
            self.asked(),
            self.card
        );
        Some(Verdict::new(VerdictKind::LimitReached, text).with("pinned_free_bytes", pinned))
    }

    fn limited(&self) -> Option<Verdict> {
        let (asked, card) = (self.asked(), self.card);
        let behind = self.ledger.behind(Obstacle::SplitLimit);
        if 0 < behind.gaps {
            let text = format!(
                "{asked} A gap of {} is large enough, but `max_split_size_mb` keeps it from \
                 requests of this size.",
                behind.largest
            );
            return Some(Verdict::new(VerdictKind::LimitReached, text));
        }
        if card < self.request.segment {
            return None;
        }
        let fraction = self.case.trace.settings.as_ref().and_then(|s| s.memory_fraction);
        let which = match fraction {
            Some(fraction) => format!("`per_process_memory_fraction` is {fraction}"),
            None => "the recording does not say which; `set_per_process_memory_fraction` is the \
                     usual one"
                .to_owned(),
        };
        let text = format!(
            "{asked} {card} were free on the card, enough for the {} this takes: not the card but \
             a limit refused it ({which}).",
            self.request.segment
        );
        Some(Verdict::new(VerdictKind::LimitReached, text))
    }

    fn stranded_in_one_gap(&self) -> Option<Verdict> {
        let request = self.request;
        let large_enough = |obstacle| {
            let share = self.ledger.behind(obstacle);
            (request.rounded <= share.largest).then_some(share.largest)
        };
        let asked = self.asked();
        if let Some(largest) = large_enough(Obstacle::OtherStream) {
            let rule = if self.case.is_ours() {
                "only whole pages change streams, none that are pinned"
            } else {
                "cached memory never changes streams"
            };
            let text = format!(
                "{asked} A gap of {largest} is large enough, but belongs to another stream, and {rule}."
            );
            return Some(Verdict::new(VerdictKind::StrandedOnStream, text));
        }
        let largest = large_enough(Obstacle::OtherPool)?;
        let text = format!(
            "{asked} A gap of {largest} is large enough, but belongs to another memory pool, and \
             cached memory never changes pools."
        );
        Some(Verdict::new(VerdictKind::StrandedInPool, text))
    }

    fn waiting(&self) -> Option<Verdict> {
        let pending = self.ledger.bytes(Cause::Pending);
        if pending.is_zero() {
            return None;
        }
        let later = without_pending(self.case.state);
        let ledger = Ledger::of(self.case.trace, &later, Some(self.request));
        let by_gap = 0 < ledger.behind(Obstacle::None).gaps;
        let by_card = self.request.segment <= self.card + ledger.flushable();
        if !by_gap && !by_card {
            return None;
        }
        let text = format!(
            "{} {pending} that the program had let go of were still waiting for another stream; \
             with them back the request would have been served.",
            self.asked()
        );
        Some(Verdict::new(VerdictKind::WaitingForStream, text).with("pending_bytes", pending))
    }

    fn not_released(&self) -> Option<Verdict> {
        let flushable = self.ledger.flushable();
        if flushable.is_zero() || self.card + flushable < self.request.segment {
            return None;
        }
        let text = format!(
            "{} {} were free on the card and {flushable} in the cache in whole pieces that were \
             not given back to it: together enough.",
            self.asked(),
            self.card
        );
        Some(Verdict::new(VerdictKind::CacheNotReleased, text))
    }

    /// Whether the free bytes would do if they were in one place, and whose they are.
    fn in_pieces(&self) -> Option<Verdict> {
        let of = |obstacle| self.ledger.behind(obstacle).bytes;
        let own = of(Obstacle::TooSmall) + of(Obstacle::OtherSizePool);
        let with_streams = own + of(Obstacle::OtherStream);
        let with_pools = with_streams + of(Obstacle::OtherPool);
        if with_pools.is_zero() {
            // What is free on the card is in one piece, and too small.
            return None;
        }
        let needed = self.request.rounded.saturating_sub(self.card);
        let (asked, card) = (self.asked(), self.card);
        if needed <= own {
            let largest = self.ledger.behind(Obstacle::TooSmall).largest;
            let text = format!(
                "{asked} {card} were free on the card and {own} in the cache: enough together, \
                 but live blocks pin every gap, and the largest is {largest}."
            );
            return Some(Verdict::new(VerdictKind::Fragmentation, text));
        }
        let (kind, whose, bytes) = if needed <= with_streams {
            (VerdictKind::StrandedOnStream, "streams", of(Obstacle::OtherStream))
        } else if needed <= with_pools {
            (VerdictKind::StrandedInPool, "memory pools", of(Obstacle::OtherPool))
        } else {
            return None;
        };
        let text = format!(
            "{asked} {card} were free on the card and {own} in the cache: too little without the \
             {bytes} in the gaps of other {whose}."
        );
        Some(Verdict::new(kind, text))
    }

    fn outside(&self, capacity: Option<Bytes>) -> Option<Verdict> {
        let outside = capacity?.saturating_sub(self.ledger.reserved() + self.card);
        let movable = outside.saturating_sub(CONTEXT);
        let has = self.card + self.ledger.free_bytes() + movable;
        if movable.is_zero() || has < self.request.rounded {
            return None;
        }
        let text = format!(
            "{} {outside} of the card were held outside of this allocator, by other processes or \
             libraries; without them the request would have been served.",
            self.asked()
        );
        Some(Verdict::new(VerdictKind::OutsideMemory, text).with("outside_bytes", outside))
    }

    fn shortage(&self) -> Verdict {
        let (active, card) = (self.ledger.active(), self.card);
        let all = self.ledger.reserved() + card;
        let short = (active + self.request.rounded).saturating_sub(all);
        let asked = self.asked();
        let (asked, short) = if short.is_zero() {
            let segment = self.request.segment;
            (format!("{asked} That takes {segment} of the card."), segment.saturating_sub(card))
        } else {
            (asked, short)
        };
        let text = format!(
            "{asked} {active} are in use and the card has {all} for this program: {short} too little, \
             however memory is arranged. This is not fragmentation."
        );
        Verdict::new(VerdictKind::TrueShortage, text).with("short_by_bytes", short)
    }
}

/// Whether `earlier` is the program's request to free the block that `completed` frees.
fn requests(earlier: &Event, completed: &Event) -> bool {
    earlier.action == Action::FreeRequested && earlier.addr == completed.addr
}

/// The state once every pending block is free.
fn without_pending(state: &State) -> State {
    let mut state = state.clone();
    for segment in &mut state.segments {
        segment.blocks.retain(|block| !block.pending);
    }
    state
}
