//! Every device keeps every promise of a device, however it is set up.

use gapless_device::{Completion, Faulty, Locked, Placement, Sim, SimSetup, suite};
use gapless_units::Bytes;

#[test]
fn the_simulated_device_keeps_every_promise() {
    let completions = [Completion::AtOnce, Completion::AfterQueries(3), Completion::WhenTold];
    for completion in completions {
        for placement in [Placement::LowestFirst, Placement::HighestFirst] {
            let setup = SimSetup { completion, placement, ..SimSetup::new(Bytes::gib(1)) };
            suite::check(|| Sim::new(setup.clone()));
        }
    }
}

#[test]
fn what_lies_outside_cannot_be_had() {
    let setup = SimSetup { outside: Bytes::mib(700), ..SimSetup::new(Bytes::gib(1)) };
    suite::check(|| Sim::new(setup.clone()));
}

#[test]
fn adapters_keep_every_promise_of_what_they_adapt() {
    let sim = || Sim::new(SimSetup::new(Bytes::gib(1)));
    suite::check(|| Faulty::new(sim()));
    suite::check(|| Locked::new(sim()));
}

#[cfg(target_os = "linux")]
#[test]
fn the_host_keeps_every_promise() {
    use gapless_device::{Host, HostSetup, Pace};
    for granule in [Bytes::mib(2), Bytes::new(64 << 10)] {
        for pace in [Pace::AtOnce, Pace::WhenAwaited] {
            let setup = HostSetup { granule, pace, ..HostSetup::new(Bytes::gib(1)) };
            suite::check(|| Host::new(setup).unwrap());
        }
    }
}

/// Where there is one; no other test of this program takes memory of it meanwhile.
#[test]
fn a_card_keeps_every_promise() {
    use gapless_device::{Cuda, CudaSetup};
    for limit in [Some(Bytes::gib(1)), None] {
        let open = || Cuda::open(CudaSetup { ordinal: 0, limit });
        if open().is_ok() {
            suite::check(|| open().unwrap());
        }
    }
}
