//! Bytes behind the beginning of a snapshot as JSON.

#![no_main]

use gapless_fuzz::explain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| explain([b"{\"device_traces\":", bytes].concat()));
