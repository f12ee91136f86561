//! Several threads and streams, one allocator, real memory.
//!
//! Each thread loads batches on a stream of its own and hands them to another that computes on
//! them; whoever has a block last gives it back.
//!
//! ```text
//! cargo run --release -p gapless --example threads
//! ```

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::sync::mpsc;
use std::thread;

use gapless::allocator::SharedBlock as Block;
use gapless::allocator::{SharedAllocator, Slack};
use gapless::device::{Device, Host, HostSetup};
use gapless::units::{Bytes, KIB, StreamId};

const LOADERS: u64 = 3;
const BATCHES: u64 = 200;
const COMPUTE: StreamId = StreamId::DEFAULT;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let host = Host::new(HostSetup::new(Bytes::mib(96)))?;
    let allocator = SharedAllocator::new(host.clone(), Slack::DEFAULT, ());
    let (send, receive) = mpsc::sync_channel::<(Block, StreamId, u64)>(4);
    thread::scope(|scope| -> Result<(), Failure> {
        let mut loaders = Vec::new();
        for loader in 1..=LOADERS {
            // Each thread has a way of its own to the allocator, and a handle of the device.
            let (mut front, host, send) = (allocator.front(), host.clone(), send.clone());
            loaders.push(scope.spawn(move || -> Result<(), Failure> {
                for batch in 0..BATCHES {
                    let stream = StreamId(loader);
                    let size = Bytes::new((64 + batch * 37 % 5000) * KIB);
                    let block = front.allocate(size, stream)?;
                    host.fill(stream, block.extent(), batch)?;
                    send.send((block, stream, batch))?;
                }
                Ok(())
            }));
        }
        drop(send);
        let (mut front, mut host) = (allocator.front(), host.clone());
        for (mut block, stream, batch) in receive {
            // Computing waits for the copy, and the block for the computing.
            let copied = host.record_event(stream)?;
            host.make_wait(COMPUTE, copied)?;
            host.drop_event(copied)?;
            host.check(COMPUTE, block.extent(), batch)?;
            block.record_stream(COMPUTE);
            front.free(block)?;
        }
        loaders.into_iter().try_for_each(|loader| match loader.join() {
            Ok(answer) => answer,
            Err(_) => Err("a loader panicked".into()),
        })
    })?;
    host.wait_for_device()?;
    allocator.process_events()?;
    assert_eq!(host.complaints(), []);
    println!("{} batches by {LOADERS} threads; {}", LOADERS * BATCHES, allocator.usage());
    Ok(())
}
