//! The verdict: one of a closed list, and the numbers that prove it.

mod failure;
mod success;

use std::collections::BTreeMap;

use gapless_trace::Weight;
use gapless_units::Bytes;

use crate::case::Case;

/// What a recording proves about the request in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerdictKind {
    /// No request failed.
    Fits,
    /// What is alive and the request exceed what the device has for this program.
    TrueShortage,
    /// Enough was free, in gaps that live blocks pin.
    Fragmentation,
    /// Enough was free in whole segments that were not given back to the device.
    CacheNotReleased,
    /// Free memory of another stream would have served it.
    StrandedOnStream,
    /// Free memory of another pool would have served it.
    StrandedInPool,
    /// Blocks the program let go of would have served it, and waited for another stream.
    WaitingForStream,
    /// The device had enough; a limit of the settings kept it away.
    LimitReached,
    /// The device was full of memory that is not this allocator's.
    OutsideMemory,
    /// The framework failed although a gap would have served it, as its release is known to.
    FrameworkDefect,
    /// The recording does not prove any of these.
    CannotTell,
}

impl VerdictKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::TrueShortage => "true_shortage",
            Self::Fragmentation => "fragmentation",
            Self::CacheNotReleased => "cache_not_released",
            Self::StrandedOnStream => "stranded_on_stream",
            Self::StrandedInPool => "stranded_in_pool",
            Self::WaitingForStream => "waiting_for_stream",
            Self::LimitReached => "limit_reached",
            Self::OutsideMemory => "outside_memory",
            Self::FrameworkDefect => "framework_defect",
            Self::CannotTell => "cannot_tell",
        }
    }

    /// The words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fits => "it fits",
            Self::TrueShortage => "true shortage",
            Self::Fragmentation => "fragmentation",
            Self::CacheNotReleased => "cache not released",
            Self::StrandedOnStream => "stranded on another stream",
            Self::StrandedInPool => "stranded in another pool",
            Self::WaitingForStream => "waiting for a stream",
            Self::LimitReached => "a limit was reached",
            Self::OutsideMemory => "outside memory",
            Self::FrameworkDefect => "a defect of the framework",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// A verdict with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub kind: VerdictKind,
    /// The proof in a sentence or two.
    pub summary: String,
    /// The numbers of the proof, by the names they have in JSON.
    pub numbers: BTreeMap<&'static str, u64>,
}

impl Verdict {
    /// The verdict on a case; `capacity` is the device's memory, where known.
    pub fn of(case: &Case<'_>, capacity: Option<Bytes>) -> Self {
        let doubt = case.trace.notes.iter().find(|note| note.weight == Weight::Contradiction);
        if let Some(note) = doubt {
            let text = format!("The recording contradicts itself: {}.", note.text);
            return Self::new(VerdictKind::CannotTell, text);
        }
        if !case.trace.is_placed() {
            let most = case.trace.peak_totals().active;
            let text = format!(
                "The recording says what was asked for, not where it was placed. At most {most} \
                 were in use at once."
            );
            return Self::new(VerdictKind::CannotTell, text).with("peak_active_bytes", most);
        }
        match case.request.and_then(|request| Some((request, request.device_free()?))) {
            Some((request, device_free)) => failure::judge(case, request, device_free, capacity),
            None => success::judge(case),
        }
    }

    fn new(kind: VerdictKind, summary: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), numbers: BTreeMap::new() }
    }

    fn with(mut self, name: &'static str, bytes: Bytes) -> Self {
        self.numbers.insert(name, bytes.get());
        self
    }
}
