//! Programs that repeat themselves: the last iteration sixty times over. In the end nothing is
//! mapped.

use std::ops::Range;

use gapless::device::Costs;
use gapless::replay::{Contender, Repeating};
use gapless::report::ComparedDevice;

use super::{Programs, check_others, check_own};

/// How often the last iteration comes.
const COPIES: usize = 60;

/// In so many of the last copies nothing is to be mapped.
const SETTLED: usize = 3;

/// How a program comes to rest.
struct Settling {
    /// How many copies have passed with the last that maps a page.
    copies: usize,
    /// How many pages they mapped.
    pages: u64,
}

impl Settling {
    fn of(device: &ComparedDevice) -> Self {
        let iteration = device.iterations.last().unwrap().operations.clone();
        let Repeating { program, starts } = Repeating::of(&device.program, iteration, COPIES);
        let ours = Contender::named("gapless").unwrap();
        let costs = Costs::preset("a100").unwrap();
        let mapped = |copies: Range<usize>| {
            let span = starts[copies.start]..starts[copies.end];
            ours.run(&program, None, &costs, Some(&span)).unwrap().in_span.unwrap().granules_mapped
        };
        let all: Vec<usize> = (0..COPIES).collect();
        let copies = all.partition_point(|&copy| 0 < mapped(copy..COPIES));
        let pages = if copies == 0 { 0 } else { mapped(0..copies) };
        Self { copies, pages }
    }
}

/// How many programs there are; none of them maps anything in the last copies.
fn check_all(programs: Programs) -> usize {
    let checks = programs.map(|(name, device)| {
        let Settling { copies, pages } = Settling::of(&device);
        println!("{name}: {pages} pages in the first {copies} copies, none afterwards");
        assert!(copies <= COPIES - SETTLED, "{name} maps pages in copy {copies}");
    });
    checks.count()
}

#[test]
fn recordings_of_the_project_come_to_rest() {
    assert!(3 <= check_own(check_all));
}

#[test]
fn recordings_beside_the_project_come_to_rest() {
    assert!(check_others(check_all).is_none_or(|programs| 15 <= programs));
}
