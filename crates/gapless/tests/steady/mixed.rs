//! Programs whose sizes vary: all iterations of a recording, in a random order. What the device's
//! calls take stays a small part of the time, however long that goes on.

use gapless::replay::Repeating;
use gapless::report::ComparedDevice;

use super::moved::{MOST, Moved, micros};
use super::{Programs, check_others, check_own};

/// How many iterations come. In the first half the program comes to where it stays.
const COPIES: usize = 240;

/// How many orders are tried.
const ORDERS: u64 = 4;

/// So many operations at most are not done yet where streams are behind.
const BEHIND: usize = 1000;

/// The programs whose calls may take more then, so many times as much: pages cannot come to addresses that
/// such work may use. Of these no kernel was executed, so that their iterations are short.
const MORE_BEHIND: [(&str, f64); 2] = [("frag_oom_varlen", 10.0), ("vit_prefetch_streams", 2.0)];

/// What is mapped in the second half, in each of the orders.
fn moved(device: &ComparedDevice, behind: Option<usize>) -> Vec<Moved> {
    std::thread::scope(|scope| {
        let run = |seed| scope.spawn(move || moved_in_order(device, seed, behind));
        let runs: Vec<_> = (1..=ORDERS).map(run).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn moved_in_order(device: &ComparedDevice, seed: u64, behind: Option<usize>) -> Moved {
    let iterations: Vec<_> = device.iterations.iter().map(|it| it.operations.clone()).collect();
    let order = order(iterations.len(), seed);
    let Repeating { program, starts } =
        Repeating::mixed(&device.program, &iterations, order.iter().copied());
    let second_half = starts[COPIES / 2]..starts[COPIES];
    let micros = order[COPIES / 2..].iter().map(|&at| micros(device, at)).sum();
    Moved::within(&program, &second_half, micros, behind)
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

/// How many of the programs have several iterations, and times.
fn check_all(programs: Programs) -> usize {
    let timed = programs.filter(|(_, device)| {
        1 < device.iterations.len() && (0..device.iterations.len()).all(|at| 0 < micros(device, at))
    });
    let checks = timed.map(|(name, device)| {
        let more = MORE_BEHIND.iter().find(|(program, _)| name.starts_with(program));
        let most_behind = more.map_or(MOST, |&(_, times)| times * MOST);
        for (behind, most) in [(None, MOST), (Some(BEHIND), most_behind)] {
            let each = moved(&device, behind);
            let mean =
                |of: &dyn Fn(&Moved) -> f64| each.iter().map(of).sum::<f64>() / ORDERS as f64;
            let pages = mean(&|it| it.pages as f64) / (COPIES - COPIES / 2) as f64;
            let [first, second] = [0, 1].map(|preset| mean(&|it| it.shares[preset]));
            let [percent, other] = [first, second].map(|share| 100.0 * share);
            let how = if behind.is_some() { " behind" } else { "" };
            println!("{name}{how}: {pages:.1} pages, {percent:.3} % by a100, {other:.2} % by h100");
            assert!(first <= most, "{name}{how}: {percent} % of the time");
        }
    });
    checks.count()
}

#[test]
fn recordings_of_the_project_move_little() {
    assert!(3 <= check_own(check_all));
}

#[test]
fn recordings_beside_the_project_move_little() {
    assert!(check_others(check_all).is_none_or(|programs| 15 <= programs));
}
