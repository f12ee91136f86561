//! The allocators that can be compared, by name.

use gapless_allocator::{CachingAllocator, GaplessAllocator, Slack};
use gapless_device::{Costs, Sim, SimSetup};
use gapless_trace::Settings;
use gapless_units::Bytes;

use crate::NEWEST_RELEASE;
use crate::program::Program;
use crate::run::ReplayError;
use crate::setup::{ENDLESS, Setup};
use crate::trial::{Trial, completion_of, drive};

/// An allocator under its settings.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its settings, in its own words; empty for none.
    pub settings: String,
    policy: Policy,
}

#[derive(Clone, Debug)]
enum Policy {
    Caching(Box<Settings>),
    Gapless(Slack),
}

impl Contender {
    /// All there are, ours last.
    pub fn catalog() -> Vec<Self> {
        let expandable = "expandable_segments:True";
        let caching = |name, text: &str| {
            let settings = Settings::parse(text).unwrap_or_default();
            let settings_text = text.to_owned();
            let policy = Policy::Caching(Box::new(settings));
            Self { name, settings: settings_text, policy }
        };
        vec![
            caching("caching", ""),
            caching("expandable", expandable),
            Self {
                name: "gapless",
                settings: format!("slack:{}", Slack::DEFAULT.share),
                policy: Policy::Gapless(Slack::DEFAULT),
            },
        ]
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::catalog().into_iter().find(|contender| contender.name == name)
    }

    /// Puts a program through it, on a device with so much memory for it; `None` is a device
    /// without limit. `mark` is the operation from which on mapped granules are counted apart.
    pub fn run(
        &self,
        program: &Program,
        available: Option<Bytes>,
        costs: &Costs,
        mark: Option<usize>,
    ) -> Result<Trial, ReplayError> {
        let outside = available.map_or(Bytes::ZERO, |_| Setup::USUAL_OUTSIDE);
        let total = available.map_or(ENDLESS, |available| available + outside);
        let (costs, completion) = (costs.clone(), completion_of(program));
        let device = SimSetup { outside, costs, completion, ..SimSetup::new(total) };
        let device = Sim::new(device);
        match &self.policy {
            Policy::Caching(settings) => {
                let allocator = CachingAllocator::new(device, settings, NEWEST_RELEASE, ());
                drive(program, allocator, mark)
            }
            Policy::Gapless(slack) => {
                drive(program, GaplessAllocator::new(device, *slack, ()), mark)
            }
        }
    }
}
