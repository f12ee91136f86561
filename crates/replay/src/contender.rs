//! The allocators that can be compared, by name.

use std::ops::Range;

use gapless_allocator::baselines::{
    Baseline, Bfc, GmLake, PageSteal, Policy, RmmArena, StreamPool, Tlsf,
};
use gapless_allocator::{CachingAllocator, GaplessAllocator};
use gapless_device::{Completion, Costs, Sim, SimSetup};
use gapless_trace::Settings;
use gapless_units::Bytes;

use crate::NEWEST_RELEASE;
use crate::gapless_settings::GaplessSettings;
use crate::program::Program;
use crate::run::{ReplayError, completion_of};
use crate::setup::{ENDLESS, Setup};
use crate::trial::{Course, Trial};

/// The settings of PyTorch's allocator with expandable segments.
const EXPANDABLE: &str = "expandable_segments:True";

/// Which allocator a program goes through.
#[derive(Clone, Copy, Debug)]
enum Allocator {
    /// One whose settings are settled.
    Settled(Run),
    /// Our own.
    Gapless(GaplessSettings),
}

/// Puts a program through a new allocator over a device.
type Run = fn(Sim, &Course<'_>) -> Result<Trial, ReplayError>;

/// An allocator under its settings.
#[derive(Clone, Debug)]
pub struct Contender {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its settings, in its own words; empty for none.
    pub settings: String,
    /// What to say beside its figures; empty for nothing.
    pub note: String,
    allocator: Allocator,
}

impl Contender {
    /// All there are, PyTorch's first and ours last.
    pub fn catalog() -> Vec<Self> {
        vec![
            Self::new("caching", "", |device, course| course.run(caching(device, ""))),
            Self::new("expandable", EXPANDABLE, |device, course| {
                course.run(caching(device, EXPANDABLE))
            }),
            Self::baseline::<GmLake>("gmlake"),
            Self::baseline::<PageSteal>("page_steal"),
            Self::baseline::<Bfc>("bfc"),
            Self::baseline::<Tlsf>("tlsf"),
            Self::baseline::<StreamPool>("stream_pool"),
            Self::baseline::<RmmArena>("rmm_arena"),
            Self::gapless(GaplessSettings::default()),
        ]
    }

    fn new(name: &'static str, settings: impl Into<String>, run: Run) -> Self {
        let allocator = Allocator::Settled(run);
        Self { name, settings: settings.into(), note: String::new(), allocator }
    }

    /// One with its authors' settings.
    fn baseline<P: Policy>(name: &'static str) -> Self {
        let settings = P::Settings::default().to_string();
        let run: Run = |device, course| {
            course.run(Baseline::<P, Sim>::new(device, P::Settings::default(), ()))
        };
        Self { note: P::NOTE.to_owned(), ..Self::new(name, settings, run) }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::catalog().into_iter().find(|contender| contender.name == name)
    }

    /// Our own, under these settings.
    pub fn gapless(set: GaplessSettings) -> Self {
        let settings = set.to_string();
        let is_usual = settings == GaplessSettings::default().to_string();
        let note = if is_usual { String::new() } else { format!("under {settings}") };
        Self { name: "gapless", settings, note, allocator: Allocator::Gapless(set) }
    }

    /// Puts a program through it, on a device with so much memory for it; `None` is a device
    /// without limit. What the operations of `span` take is told apart.
    pub fn run(
        &self,
        program: &Program,
        available: Option<Bytes>,
        costs: &Costs,
        span: Option<&Range<usize>>,
    ) -> Result<Trial, ReplayError> {
        let course = Course { program, span, ends_at_stall: false, behind: None };
        let completion = completion_of(program, Completion::AtOnce);
        self.put_through(device(available, costs, completion), &course)
    }

    /// The same on a device whose streams are behind, as a card's are: their work is done after every so
    /// many operations, and not before.
    pub fn run_behind(
        &self,
        program: &Program,
        available: Option<Bytes>,
        costs: &Costs,
        span: Option<&Range<usize>>,
        operations: usize,
    ) -> Result<Trial, ReplayError> {
        let course = Course { program, span, ends_at_stall: false, behind: Some(operations) };
        self.put_through(device(available, costs, Completion::WhenTold), &course)
    }

    /// Whether it completes a program with so much memory and never waits for the device, whose work is done
    /// when it is asked about.
    pub fn is_stall_free(
        &self,
        program: &Program,
        available: Bytes,
        costs: &Costs,
    ) -> Result<bool, ReplayError> {
        let course = Course { program, span: None, ends_at_stall: true, behind: None };
        let completion = completion_of(program, Completion::AtOnce);
        let trial = self.put_through(device(Some(available), costs, completion), &course)?;
        Ok(trial.is_stall_free())
    }

    fn put_through(&self, device: Sim, course: &Course<'_>) -> Result<Trial, ReplayError> {
        match self.allocator {
            Allocator::Settled(run) => run(device, course),
            Allocator::Gapless(GaplessSettings { slack, page }) => {
                course.run(GaplessAllocator::with_pages(device, page, slack, ()))
            }
        }
    }
}

fn caching(device: Sim, settings: &str) -> CachingAllocator<Sim> {
    let settings = Settings::parse(settings).unwrap_or_default();
    CachingAllocator::new(device, &settings, NEWEST_RELEASE, ())
}

/// A device with so much memory for the allocator.
fn device(available: Option<Bytes>, costs: &Costs, completion: Completion) -> Sim {
    let outside = available.map_or(Bytes::ZERO, |_| Setup::USUAL_OUTSIDE);
    let total = available.map_or(ENDLESS, |available| available + outside);
    let costs = costs.clone();
    Sim::new(SimSetup { outside, costs, completion, ..SimSetup::new(total) })
}
