//! Bytes behind the beginning of an operation list.

#![no_main]

use gapless_fuzz::explain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| explain([b"sync\n", bytes].concat()));
