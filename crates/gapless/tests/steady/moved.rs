//! What is mapped in a part of a program, and the share of the time that the device's calls take.

use std::ops::Range;

use gapless::device::Costs;
use gapless::replay::{Contender, Program};
use gapless::report::ComparedDevice;

/// What the calls may take by `a100`, as a share of the iterations' time, in each program.
pub(crate) const MOST: f64 = 0.001;

/// What the calls take.
const PRESETS: [&str; 2] = ["a100", "h100"];

/// What is mapped in a part of a program.
#[derive(Default)]
pub(crate) struct Moved {
    pub(crate) pages: u64,
    /// What all calls take as a share of the time, by each preset.
    pub(crate) shares: [f64; PRESETS.len()],
}

impl Moved {
    /// In these of a program's operations, which took `micros`. Its streams are so many operations behind
    /// at most; none where all work is done when it is asked about.
    pub(crate) fn within(
        program: &Program,
        operations: &Range<usize>,
        micros: u64,
        behind: Option<usize>,
    ) -> Self {
        let ours = Contender::named("gapless").unwrap();
        let mut moved = Self::default();
        for (share, preset) in moved.shares.iter_mut().zip(PRESETS) {
            let costs = Costs::preset(preset).unwrap();
            let trial = match behind {
                None => ours.run(program, None, &costs, Some(operations)),
                Some(behind) => ours.run_behind(program, None, &costs, Some(operations), behind),
            };
            let cost = trial.unwrap().in_span.unwrap();
            moved.pages = cost.granules_mapped;
            *share = cost.modelled_nanos as f64 / 1e3 / micros as f64;
        }
        moved
    }
}

/// How long an iteration lasted.
pub(crate) fn micros(device: &ComparedDevice, iteration: usize) -> u64 {
    device.iterations[iteration].duration.map_or(0, |it| u64::try_from(it.0).unwrap())
}
