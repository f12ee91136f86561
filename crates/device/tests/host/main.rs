//! The host's device with data: what streams write is there when it is read, whatever is mapped
//! where, and what must not happen is noticed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a call that fails stops the test")]

mod block;
mod data;
mod order;
mod misuse;
mod threads;
mod random;
