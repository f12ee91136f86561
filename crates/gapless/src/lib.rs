//! GPU memory without gaps: what a program recorded about its GPU memory, explained.
//!
//! This is the library behind the program `gapless`. Its parts are crates of their own, re-exported
//! here in the order in which a recording passes through them:
//!
//! ```text
//!   bytes ─► formats ─► trace ─► diagnose ─► report ─► text, JSON, Markdown, HTML
//!            read       rebuild  verdict     facts
//!                         │
//!                         └─► replay ─► allocator ─► device
//! ```
//!
//! ```
//! use gapless::report::{Asked, Examination, Facts, Source};
//! use gapless::units::Bytes;
//!
//! let list = b"alloc,1,1048576,0\nalloc,2,4096,0\nfree,1\n".to_vec();
//! let source = Source { path: "list.csv".to_owned(), bytes: Bytes::new(list.len() as u64) };
//! let recording = gapless::formats::read(list, &gapless::formats::Limits::default())?;
//! let examination = Examination::of(recording, source, &Asked::default())?;
//! let facts = Facts::of(&examination);
//! assert_eq!(facts.devices[0].peak.requested_bytes, 1052672);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The allocator
//!
//! [`allocator::GaplessAllocator`] serves requests from any [`device::Device`] without leaving
//! memory behind in gaps, [`allocator::SharedAllocator`] does so for several threads. A block may be
//! used by work on its own stream at once; use on another is told, and the block is not used again
//! before that work is done. The guide, `docs/allocator.md`, begins with your problem.
//!
//! Here the device is memory of this machine, and what a stream wrote is still there:
//!
//! ```
//! use gapless::allocator::{Allocator, GaplessAllocator, Slack};
//! use gapless::device::{Host, HostSetup};
//! use gapless::units::{Bytes, StreamId};
//!
//! let device = Host::new(HostSetup::new(Bytes::mib(64)))?;
//! let mut allocator = GaplessAllocator::new(device.clone(), Slack::DEFAULT, ());
//! let (compute, copy) = (StreamId::DEFAULT, StreamId(7));
//! let mut blocks = Vec::new();
//! for number in 0..9_u8 {
//!     let block = allocator.allocate(Bytes::mib(6), compute)?;
//!     let extent = allocator.extent(block).ok_or("just given")?;
//!     device.write(compute, extent.start(), vec![number; 6 << 20])?;
//!     blocks.push((block, extent));
//! }
//! for (block, _) in blocks.iter().step_by(2) {
//!     allocator.free(*block)?;
//! }
//! // 30 MiB lie free between four blocks, and serve one request as they are.
//! let large = allocator.allocate(Bytes::mib(30), compute)?;
//! let (_, kept) = blocks[3];
//! assert_eq!(device.read(compute, kept)?.wait()?, vec![3; 6 << 20]);
//! allocator.record_stream(large, copy)?;
//! allocator.free(large)?;
//!
//! // A request that cannot be met says what would have been needed.
//! let refused = allocator.allocate(Bytes::gib(2), compute).unwrap_err();
//! assert!(refused.to_string().starts_with("out of memory: 2.00 GiB asked for"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc = include_str!("../../../docs/allocator.md")]
#[cfg(doctest)]
struct Guide;

mod explanation;

pub use explanation::{Explanation, explain, snapshot};
pub use gapless_allocator as allocator;
pub use gapless_device as device;
pub use gapless_diagnose as diagnose;
pub use gapless_formats as formats;
pub use gapless_plan as plan;
pub use gapless_replay as replay;
pub use gapless_report as report;
pub use gapless_trace as trace;
pub use gapless_units as units;
