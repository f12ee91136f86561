//! One program through PyTorch's allocator and through ours, on 64 MiB of real memory.
//!
//! Batches come in sizes that never repeat, and a small result of each stays. PyTorch's segments are
//! soon pinned by results; the same memory serves all of it where free pages move.
//!
//! ```text
//! cargo run --release -p gapless --example fragmentation
//! ```

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use gapless::allocator::{AllocationError, Allocator, CachingAllocator, GaplessAllocator, Slack};
use gapless::device::{Host, HostSetup};
use gapless::trace::{Release, Settings};
use gapless::units::{Bytes, KIB, MIB, PoolId, StreamId};

const COMPUTE: StreamId = StreamId::DEFAULT;

fn main() -> Result<(), Box<dyn Error>> {
    let device = || Host::new(HostSetup::new(Bytes::mib(64)));
    let host = device()?;
    let pytorch = Release::new(2, 15);
    let caching = CachingAllocator::new(host.clone(), &Settings::default(), pytorch, ());
    println!("PyTorch's: {}", train(caching, &host)?);
    let host = device()?;
    let gapless = GaplessAllocator::new(host.clone(), Slack::DEFAULT, ());
    println!("gapless:   {}", train(gapless, &host)?);
    Ok(())
}

/// Trains until memory runs out or all batches are through; says how far it came.
fn train<A: Allocator<Device = Host>>(
    mut allocator: A,
    host: &Host,
) -> Result<String, Box<dyn Error>> {
    let batches = 60_u64;
    let mut results = Vec::new();
    for batch in 0..batches {
        let size = Bytes::new(20 * MIB + batch * 300 * KIB);
        let activations = match allocator.allocate_in(PoolId::DEFAULT, size, COMPUTE) {
            Ok(block) => block,
            Err(AllocationError::OutOfMemory { .. }) => {
                let reserved = Bytes::new(allocator.statistics().reserved_bytes.all.current);
                let alive = Bytes::new(allocator.statistics().allocated_bytes.all.current);
                return Ok(format!(
                    "out of memory in batch {batch}: {size} asked for, {alive} of {reserved} in use"
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let result = allocator.allocate_in(PoolId::DEFAULT, Bytes::new(MIB + 64 * KIB), COMPUTE)?;
        let (from, to) = (allocator.extent(activations), allocator.extent(result));
        let (from, to) = (from.ok_or("lost")?, to.ok_or("lost")?);
        // The work of the batch, queued as on a GPU: the memory may be given back before it ends.
        host.fill(COMPUTE, from, batch)?;
        host.check(COMPUTE, from, batch)?;
        host.fill(COMPUTE, to, batch)?;
        allocator.free(activations)?;
        results.push((result, to, batch));
        if 16 < results.len() {
            // Some results live longer than others.
            let (old, extent, seed) = results.remove(usize::try_from(batch % 4)?);
            host.check(COMPUTE, extent, seed)?;
            allocator.free(old)?;
        }
    }
    host.wait_for_device()?;
    // What was written was still there when it was checked.
    assert_eq!(host.complaints(), []);
    let reserved = Bytes::new(allocator.statistics().reserved_bytes.all.peak);
    let alive = Bytes::new(allocator.statistics().allocated_bytes.all.peak);
    Ok(format!("{batches} batches done, at most {reserved} reserved for {alive} in use"))
}
