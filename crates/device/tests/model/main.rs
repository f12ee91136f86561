//! Random calls to devices beside a model: each device does what makes sense, refuses the rest,
//! and keeps the same books. And the simulated device and the host's give the same answers.

#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]

mod call;
mod truth;

use gapless_device::{Placement, Sim, SimSetup};
use gapless_units::{Bytes, MIB};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use call::call;
use truth::Truth;

const SIM_GRANULE: Bytes = Bytes::new(2 * MIB);

fn sim(placement: Placement) -> impl FnOnce(Bytes) -> Sim {
    move |total| Sim::new(SimSetup { placement, ..SimSetup::new(total) })
}

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/model/regressions.txt");
    ProptestConfig { failure_persistence: Some(Box::new(persistence)), ..Default::default() }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn the_simulated_device_does_what_the_model_says(
        calls in prop::collection::vec(call(), 0..150),
        descending in any::<bool>(),
    ) {
        let placement =
            if descending { Placement::HighestFirst } else { Placement::LowestFirst };
        let mut truth = Truth::new(SIM_GRANULE, sim(placement));
        for call in calls {
            truth.step(call);
        }
        truth.end();
        prop_assert!(truth.device().is_idle());
    }
}

#[cfg(target_os = "linux")]
mod on_linux {
    use gapless_device::{Host, HostSetup};

    use super::*;

    fn host(granule: Bytes) -> impl FnOnce(Bytes) -> Host {
        move |total| Host::new(HostSetup { granule, ..HostSetup::new(total) }).unwrap()
    }

    proptest! {
        #![proptest_config(config())]
        #[test]
        fn the_host_does_what_the_model_says(
            calls in prop::collection::vec(call(), 0..150),
            granule in prop::sample::select(vec![64 << 10, 256 << 10]),
        ) {
            let granule = Bytes::new(granule);
            let mut truth = Truth::new(granule, host(granule));
            for call in calls {
                truth.step(call);
            }
            truth.end();
        }

        #[test]
        fn the_simulated_device_and_the_host_give_the_same_answers(
            calls in prop::collection::vec(call(), 0..150),
        ) {
            let mut simulated = Truth::new(SIM_GRANULE, sim(Placement::LowestFirst));
            let mut real = Truth::new(SIM_GRANULE, host(SIM_GRANULE));
            for call in calls {
                prop_assert_eq!(simulated.step(call), real.step(call), "{:?}", call);
            }
            simulated.end();
            real.end();
        }
    }
}
