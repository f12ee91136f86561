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

pub use gapless_allocator as allocator;
pub use gapless_device as device;
pub use gapless_diagnose as diagnose;
pub use gapless_formats as formats;
pub use gapless_replay as replay;
pub use gapless_report as report;
pub use gapless_trace as trace;
pub use gapless_units as units;
