//! Any bytes, replayed.

#![no_main]

use gapless_fuzz::replay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| replay(bytes.to_vec()));
