//! The verdict: one of a closed list, and the numbers that prove it.

use std::collections::BTreeMap;

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
    /// A gap on another stream would have served it.
    StrandedOnStream,
    /// A gap in another pool would have served it.
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
    pub fn of(_case: &crate::case::Case<'_>, _capacity: Option<gapless_units::Bytes>) -> Self {
        Self { kind: VerdictKind::Fits, summary: String::new(), numbers: BTreeMap::new() }
    }
}
