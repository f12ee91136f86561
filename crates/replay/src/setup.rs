//! Under which circumstances a program is replayed.

use gapless_allocator::Rules;
use gapless_device::{Completion, Costs, Placement, Sim, SimSetup};
use gapless_trace::{Release, Settings};
use gapless_units::Bytes;

use crate::gapless_settings::GaplessSettings;

/// What stands for a device without a limit: more than any card has, and little enough that a
/// file that claims more cannot make a simulation map pages for minutes.
pub(crate) const ENDLESS: Bytes = Bytes::gib(4 * 1024);

/// What a replay does when a request fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It ends there.
    #[default]
    Stop,
    /// It goes on without that block and its later free.
    Skip,
}

/// Whose allocator a program is replayed through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReplayedBy {
    /// PyTorch's, under the settings of a setup by the rules of its release.
    #[default]
    PyTorch,
    /// Our own, which has settings of its own.
    Gapless(GaplessSettings),
}

/// The settings and the release of PyTorch's allocator, and the device of a replay.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings of PyTorch's allocator.
    pub settings: Settings,
    /// The framework's release.
    pub release: Release,
    /// The device's memory; `None` is more than any program needs.
    pub capacity: Option<Bytes>,
    /// What of it the allocator cannot have.
    pub outside: Bytes,
    /// What happens when a request fails.
    pub on_failure: OnFailure,
    /// When work on other streams is done, in operation lists; recordings tell it.
    pub completion: Completion,
    /// Where the device puts fresh ranges of addresses.
    pub placement: Placement,
    /// What the device's calls take.
    pub costs: Costs,
}

impl Setup {
    /// What a context, libraries and the driver take of a card, where the recording does not
    /// tell: what CUDA 13 takes of an 80 GiB card for a process with PyTorch loaded.
    pub const USUAL_OUTSIDE: Bytes = Bytes::mib(504);

    /// PyTorch's newest release under these settings, on a device without a limit.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            release: Rules::NEWEST,
            capacity: None,
            outside: Self::USUAL_OUTSIDE,
            on_failure: OnFailure::Stop,
            completion: Completion::AtOnce,
            placement: Placement::LowestFirst,
            costs: Costs::default(),
        }
    }

    /// The device of this setup.
    pub(crate) fn device(&self, completion: Completion) -> Sim {
        let (total, outside) = match self.capacity {
            Some(capacity) => (capacity, self.outside),
            None => (ENDLESS, Bytes::ZERO),
        };
        let (placement, costs) = (self.placement, self.costs.clone());
        let usual = SimSetup::new(total);
        Sim::new(SimSetup { outside, placement, completion, costs, ..usual })
    }
}
