//! The words everything in gapless is said in: bytes, addresses, extents, times and ids.
//!
//! A bare integer crosses a public edge of gapless only in C and in JSON, where its name carries
//! the unit. Everywhere else a size is [`Bytes`], a place is an [`Addr`], a range of places is an
//! [`Extent`] and a time is [`Micros`].
//!
//! Arithmetic never wraps, whatever profile it is compiled with. The `checked_*` functions answer with an [`Overflow`] that names both
//! operands, for numbers that come from a file; the operators are for numbers already known to
//! fit, and stop the program where they do not.

mod bytes;
mod extent;
mod ids;
mod time;

pub use bytes::{Bytes, GIB, KIB, MIB, Overflow, ParseBytesError};
pub use extent::{Addr, Extent};
pub use ids::{DeviceId, PoolId, StreamId};
pub use time::Micros;
