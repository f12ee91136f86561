//! A request that fails, and what the allocator says about it.
//!
//! A cache of small entries is spread over pages that large blocks lay in. The screen below the
//! error is what `gapless explain` prints of a recording, and the snapshot opens in PyTorch's
//! viewer.
//!
//! ```text
//! cargo run --release -p gapless --example out_of_memory [SNAPSHOT.pickle]
//! ```

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use gapless::allocator::{Allocator, GaplessAllocator, Recorder, Slack};
use gapless::device::{Host, HostSetup};
use gapless::units::{Bytes, KIB, StreamId};

const COMPUTE: StreamId = StreamId::DEFAULT;

fn main() -> Result<(), Box<dyn Error>> {
    let capacity = Bytes::mib(64);
    let host = Host::new(HostSetup::new(capacity))?;
    let mut allocator = GaplessAllocator::new(host, Slack::DEFAULT, Recorder::default());
    let mut large = Vec::new();
    let mut cached = Vec::new();
    for entry in 0..24_u64 {
        large.push(allocator.allocate(Bytes::mib(2), COMPUTE)?);
        cached.push(allocator.allocate(Bytes::new((8 + entry) * KIB), COMPUTE)?);
    }
    for block in large {
        allocator.free(block)?;
    }
    let Err(refused) = allocator.allocate(Bytes::mib(56), COMPUTE) else {
        return Err("it should not fit".into());
    };
    println!("{refused}\n{}\n", allocator.usage());
    print!("{}", gapless::explain(allocator.recording(), Some(capacity))?);
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, gapless::snapshot(&allocator.recording())?)?;
        println!("\n{path} is its whole life, as PyTorch would have written it");
    }
    // A program that can do without its cache says so, and the request is made again.
    let entries = cached.len();
    let served = allocator.allocate_or(Bytes::mib(56), COMPUTE, |allocator, _missing| {
        cached.pop().is_some_and(|entry| allocator.free(entry).is_ok())
    })?;
    println!("\nserved once {} of {entries} entries are gone", entries - cached.len());
    allocator.free(served)?;
    Ok(())
}
