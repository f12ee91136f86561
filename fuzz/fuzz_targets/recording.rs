//! Any bytes, as a file would bring them.

#![no_main]

use gapless_fuzz::explain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| explain(bytes.to_vec()));
