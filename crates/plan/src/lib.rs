//! Packing lifetimes offline: where each block of a program that repeats itself lies, so that it
//! needs little more memory than is alive.
//!
//! A [`Cycle`] says what one turn of the program asks for, how long each block lives, which may be
//! into the next turn, and what lies where already. [`Packing::within`] gives every block an offset;
//! [`Cycle::load`] is a bound that no packing is below, and [`Packing::overlap`] proves that no two
//! blocks share a byte while both are alive.
//!
//! To find the lowest packing is NP-complete (it is *dynamic storage allocation*, problem SR2 of
//! M. R. Garey and D. S. Johnson, *Computers and Intractability*, 1979). Most recorded programs are
//! packed to the bound by one of a few simple orders.

mod cycle;
mod pieces;
mod room;
mod placed;
mod packing;
mod proof;

pub use cycle::{Cycle, Span};
pub use packing::Packing;
pub use room::Room;
