//! What mimalloc takes for the sizes of an operation list: a yardstick for host time.
//!
//! ```text
//! cargo run --release --manifest-path bench/yardstick/Cargo.toml -- PASSES DIVISOR LIST.csv
//! ```
//!
//! Nothing is written to the memory. The sizes are divided: with 1 most of them are far beyond what
//! a host allocator keeps in its pages, and the kernel's time is measured.

use std::error::Error;
use std::ffi::c_void;
use std::time::Instant;

use libmimalloc_sys::{mi_free, mi_malloc};

#[derive(Clone, Copy)]
enum Step {
    Allocate { place: usize, size: usize },
    Free { place: usize },
}

fn read(text: &str, divisor: usize) -> Result<(Vec<Step>, usize), Box<dyn Error>> {
    let mut steps = Vec::new();
    let mut held = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(',');
        match (fields.next(), fields.next()) {
            (Some("alloc"), Some(id)) => {
                let place: usize = id.parse()?;
                let size: usize = fields.next().ok_or("a request without a size")?.parse()?;
                held.resize(held.len().max(place + 1), false);
                held[place] = true;
                steps.push(Step::Allocate { place, size: size.div_ceil(divisor) });
            }
            (Some("free"), Some(id)) => {
                let place: usize = id.parse()?;
                held[place] = false;
                steps.push(Step::Free { place });
            }
            _ => {}
        }
    }
    let rest = (0..held.len()).filter(|&place| held[place]);
    steps.extend(rest.map(|place| Step::Free { place }));
    Ok((steps, held.len()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [passes, divisor, path] = &arguments[..] else {
        return Err("which passes, divisor and list?".into());
    };
    let (steps, places) = read(&std::fs::read_to_string(path)?, divisor.parse()?)?;
    let mut blocks: Vec<*mut c_void> = vec![std::ptr::null_mut(); places];
    let mut best = f64::INFINITY;
    for _ in 0..passes.parse::<usize>()? {
        let began = Instant::now();
        for &step in &steps {
            match step {
                Step::Allocate { place, size } => {
                    // SAFETY: any size may be asked for.
                    blocks[place] = unsafe { mi_malloc(size) };
                }
                Step::Free { place } => {
                    let block = std::mem::replace(&mut blocks[place], std::ptr::null_mut());
                    // SAFETY: it is null or was allocated above and not freed since.
                    unsafe { mi_free(block) };
                }
            }
        }
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{:.1} ns per operation", best * 1e9 / steps.len() as f64);
    Ok(())
}
