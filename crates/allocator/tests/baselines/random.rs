//! Random programs: after each step blocks share no byte of memory, lie on memory that is theirs
//! and that no other stream's work uses, and the sums agree. At the end everything goes back.

use gapless_allocator::baselines::{
    Bfc, BfcSettings, GmLake, GmLakeSettings, PageSteal, Policy, RmmArena, StreamPool,
    StreamPoolSettings, Tlsf, TlsfSettings,
};
use gapless_units::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseError};

use crate::program::{Step, step};
use crate::shadow::Shadow;

fn agrees<P: Policy>(
    granules: u64,
    settings: P::Settings,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut shadow = Shadow::<P>::new(Bytes::mib(2 * granules), settings);
    for (number, &step) in steps.iter().enumerate() {
        let mut answer = shadow.step(step).and_then(|()| shadow.check());
        // Events are looked at now and then only, so that frees also wait for requests.
        if answer.is_ok() && number % 4 == 0 {
            answer = shadow.check_active();
        }
        prop_assert!(answer.is_ok(), "step {}, {:?}: {:?}", number, step, answer);
    }
    let ends = shadow.end();
    prop_assert!(ends.is_ok(), "at the end: {:?}", ends);
    Ok(())
}

/// Stitches what a device of a few granules has room for.
fn eager_gmlake() -> GmLakeSettings {
    let (stitch_from, stitched_limit) = (Bytes::mib(4), Bytes::mib(48));
    GmLakeSettings { stitch_from, stitched_limit, ..GmLakeSettings::default() }
}

/// Cuts more often than others would.
fn small_bfc() -> BfcSettings {
    BfcSettings { most_uncut: Bytes::mib(1), ..BfcSettings::default() }
}

/// Shares regions on a device of a few granules.
fn small_tlsf() -> TlsfSettings {
    TlsfSettings { largest_region: Bytes::mib(8), kept_regions: 1 }
}

/// Keeps some memory, and does not move it.
fn steady_pool() -> StreamPoolSettings {
    let (release_threshold, moves_memory) = (Bytes::mib(8), false);
    StreamPoolSettings { release_threshold, moves_memory, ..StreamPoolSettings::default() }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 384,
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/baselines/regressions.txt",
        ))),
        ..ProptestConfig::default()
    }
}

macro_rules! agree {
    ($($name:ident: $policy:ty, $settings:expr;)*) => {
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $name(
                    granules in 12..32_u64,
                    steps in prop::collection::vec(step(), 0..200),
                ) {
                    agrees::<$policy>(granules, $settings, &steps)?;
                }
            )*
        }
    };
}

agree! {
    the_shadow_agrees_with_gmlake: GmLake, GmLakeSettings::default();
    the_shadow_agrees_with_eager_gmlake: GmLake, eager_gmlake();
    the_shadow_agrees_with_page_steal: PageSteal, gapless_allocator::baselines::PageStealSettings;
    the_shadow_agrees_with_bfc: Bfc, BfcSettings::default();
    the_shadow_agrees_with_bfc_that_cuts: Bfc, small_bfc();
    the_shadow_agrees_with_tlsf: Tlsf, TlsfSettings::default();
    the_shadow_agrees_with_tlsf_of_small_regions: Tlsf, small_tlsf();
    the_shadow_agrees_with_stream_pool: StreamPool, StreamPoolSettings::default();
    the_shadow_agrees_with_steady_stream_pool: StreamPool, steady_pool();
    the_shadow_agrees_with_rmm_arena:
        RmmArena, gapless_allocator::baselines::RmmArenaSettings::default();
}
