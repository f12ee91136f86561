//! Bytes behind the beginning of a pickle.

#![no_main]

use gapless_fuzz::explain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| explain([b"\x80\x04", bytes].concat()));
