//! Random calls.

use proptest::prelude::*;

/// A call; the numbers choose among what there is, and beside it. Sizes and places are in
/// granules.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// So many sixty-fourths of a granule, and some bytes.
    Allocate {
        parts: u64,
        bytes: u64,
    },
    Free {
        which: usize,
        beside: bool,
    },
    Reserve(u64),
    Unreserve(usize),
    Create(u64),
    Release(usize),
    Map {
        reservation: usize,
        at: u64,
        handle: usize,
    },
    Access {
        reservation: usize,
        at: u64,
        granules: u64,
    },
    Unmap {
        reservation: usize,
        at: u64,
        granules: u64,
    },
}

pub(crate) fn call() -> impl Strategy<Value = Call> {
    let which = || any::<usize>();
    prop_oneof![
        3 => (0..12 * 64_u64, 1..8_u64).prop_map(|(parts, bytes)| Call::Allocate { parts, bytes }),
        2 => (which(), prop::bool::weighted(0.1))
            .prop_map(|(which, beside)| Call::Free { which, beside }),
        1 => (1..10_u64).prop_map(Call::Reserve),
        1 => which().prop_map(Call::Unreserve),
        4 => (1..4_u64).prop_map(Call::Create),
        3 => which().prop_map(Call::Release),
        6 => (which(), 0..10_u64, which())
            .prop_map(|(reservation, at, handle)| Call::Map { reservation, at, handle }),
        2 => (which(), 0..10_u64, 1..6_u64)
            .prop_map(|(reservation, at, granules)| Call::Access { reservation, at, granules }),
        4 => (which(), 0..10_u64, 1..6_u64)
            .prop_map(|(reservation, at, granules)| Call::Unmap { reservation, at, granules }),
    ]
}
