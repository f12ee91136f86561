//! Programs whose sizes vary: all iterations of a recording, in a random order. What the device's
//! calls take stays a small part of the time, however long that goes on.

use std::path::Path;

use gapless::device::Costs;
use gapless::replay::{Contender, Repeating};
use gapless::report::ComparedDevice;

use super::{check_others, check_own, programs};

/// How many iterations come. In the first half the program comes to where it stays.
const COPIES: usize = 240;

/// How many orders are tried.
const ORDERS: u64 = 4;

/// What the calls may take by `a100`, as a share of the iterations' time, in each program.
const MOST: f64 = 0.001;

/// What the calls take.
const PRESETS: [&str; 2] = ["a100", "h100"];

/// What is mapped in the second half, on average.
#[derive(Default)]
struct Moving {
    pages_each: f64,
    /// What all calls take as a share of the iterations' time, by each preset.
    shares: [f64; PRESETS.len()],
}

impl Moving {
    fn of(device: &ComparedDevice) -> Self {
        let each: Vec<Self> = (1..=ORDERS).map(|seed| Self::in_order(device, seed)).collect();
        let mean = |of: &dyn Fn(&Self) -> f64| each.iter().map(of).sum::<f64>() / ORDERS as f64;
        let shares = std::array::from_fn(|preset| mean(&|it| it.shares[preset]));
        Self { pages_each: mean(&|it| it.pages_each), shares }
    }

    fn in_order(device: &ComparedDevice, seed: u64) -> Self {
        let iterations: Vec<_> = device.iterations.iter().map(|it| it.operations.clone()).collect();
        let order = order(iterations.len(), seed);
        let Repeating { program, starts } =
            Repeating::mixed(&device.program, &iterations, order.iter().copied());
        let ours = Contender::named("gapless").unwrap();
        let second_half = starts[COPIES / 2]..starts[COPIES];
        let micros: u64 = order[COPIES / 2..].iter().map(|&at| micros(device, at)).sum();
        let mut moving = Self::default();
        for (share, preset) in moving.shares.iter_mut().zip(PRESETS) {
            let costs = Costs::preset(preset).unwrap();
            let cost = ours.run(&program, None, &costs, Some(&second_half)).unwrap();
            let cost = cost.in_span.unwrap();
            moving.pages_each = cost.granules_mapped as f64 / (COPIES - COPIES / 2) as f64;
            *share = cost.modelled_nanos as f64 / 1e3 / micros as f64;
        }
        moving
    }
}

/// How long an iteration lasted.
fn micros(device: &ComparedDevice, iteration: usize) -> u64 {
    device.iterations[iteration].duration.map_or(0, |it| u64::try_from(it.0).unwrap())
}

/// Which of `count` iterations comes when, by xorshift (G. Marsaglia, "Xorshift RNGs", 2003).
fn order(count: usize, seed: u64) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(usize::try_from(state % count as u64).unwrap())
    };
    std::iter::from_fn(next).take(COPIES).collect()
}

/// How many programs of a folder have several iterations, and times.
fn check_folder(folder: &Path) -> usize {
    let timed = programs(folder).filter(|(_, device)| {
        1 < device.iterations.len() && (0..device.iterations.len()).all(|at| 0 < micros(device, at))
    });
    let checks = timed.map(|(name, device)| {
        let Moving { pages_each, shares } = Moving::of(&device);
        let [first, second] = shares.map(|share| 100.0 * share);
        println!("{name}: {pages_each:.1} pages, {first:.3} % by a100, {second:.2} % by h100");
        assert!(shares[0] <= MOST, "{name}: {first} % of the time");
    });
    checks.count()
}

#[test]
fn recordings_of_the_project_move_little() {
    assert!(3 <= check_own(check_folder));
}

#[test]
fn recordings_beside_the_project_move_little() {
    assert!(check_others(check_folder).is_none_or(|programs| 20 <= programs));
}
