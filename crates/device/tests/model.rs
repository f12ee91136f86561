//! Random calls to the simulated device beside a model that knows only which granule holds what:
//! the device does what makes sense, refuses the rest, and keeps the same books.

#![expect(clippy::unwrap_used, reason = "a call that makes sense and fails stops the test")]

use std::collections::BTreeMap;

use gapless_device::{Completion, Device, DeviceError, Handle, Placement, Sim, SimSetup};
use gapless_units::{Addr, Bytes, Extent, MIB};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const GRANULE: u64 = 2 * MIB;
const TOTAL: u64 = 40 * GRANULE;

/// A call; the numbers choose among what there is, and beside it.
#[derive(Clone, Copy, Debug)]
enum Call {
    Allocate(u64),
    Free { which: usize, beside: bool },
    Reserve(u64),
    Unreserve(usize),
    Create(u64),
    Release(usize),
    Map { reservation: usize, at: u64, handle: usize },
    Access { reservation: usize, at: u64, granules: u64 },
    Unmap { reservation: usize, at: u64, granules: u64 },
}

fn call() -> impl Strategy<Value = Call> {
    let which = || any::<usize>();
    prop_oneof![
        3 => (1..12 * GRANULE).prop_map(Call::Allocate),
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

/// A handle that was made: its granules, and whether it was released.
#[derive(Clone, Copy, Debug)]
struct Made {
    handle: Handle,
    granules: u64,
    released: bool,
}

/// The truth, granule by granule.
#[derive(Debug, Default)]
struct Model {
    allocations: Vec<Extent>,
    reservations: Vec<Extent>,
    made: Vec<Made>,
    /// For each mapped granule the handle and which granule of it this is.
    mapped: BTreeMap<u64, (usize, u64)>,
}

impl Model {
    fn is_mapped(&self, made: usize) -> bool {
        self.mapped.values().any(|&(other, _)| other == made)
    }

    fn used(&self) -> u64 {
        let allocated = self.allocations.iter().map(|extent| extent.size().get());
        let rounded = allocated.map(|size| size.next_multiple_of(GRANULE));
        let held = self
            .made
            .iter()
            .enumerate()
            .filter(|&(index, made)| !made.released || self.is_mapped(index));
        rounded.sum::<u64>() + held.map(|(_, made)| made.granules * GRANULE).sum::<u64>()
    }

    fn take(&mut self, new: Extent) {
        let mut others = self.allocations.iter().chain(&self.reservations);
        assert!(others.all(|other| !other.overlaps(new)), "{new:?} is given twice");
    }

    /// Whether a mapping reaches over this address.
    fn cuts(&self, addr: u64) -> bool {
        let before = self.mapped.get(&(addr - GRANULE));
        before.is_some_and(|&(made, at)| {
            at + 1 < self.made[made].granules && self.mapped.get(&addr) == Some(&(made, at + 1))
        })
    }

    fn step(&mut self, device: &mut Sim, call: Call) {
        match call {
            Call::Allocate(size) => {
                let fits = self.used() + size.next_multiple_of(GRANULE) <= TOTAL;
                let answer = device.allocate(Bytes::new(size));
                self.check_memory(fits, &answer, call);
                if let Ok(addr) = answer {
                    let extent = Extent::new(addr, Bytes::new(size)).unwrap();
                    self.take(extent);
                    self.allocations.push(extent);
                }
            }
            Call::Free { which, beside } => {
                let count = self.allocations.len();
                let Some(which) = which.checked_rem(count) else { return };
                let extent = self.allocations[which];
                let addr = extent.start() + Bytes::new(u64::from(beside) * 512);
                check(!beside, &device.free(addr), call);
                if !beside {
                    self.allocations.swap_remove(which);
                }
            }
            Call::Reserve(granules) => {
                let size = Bytes::new(granules * GRANULE);
                let extent = device.reserve(size).unwrap();
                assert_eq!(extent.size(), size);
                self.take(extent);
                self.reservations.push(extent);
            }
            Call::Unreserve(which) => {
                let Some(which) = which.checked_rem(self.reservations.len()) else { return };
                let extent = self.reservations[which];
                let (start, end) = (extent.start().get(), extent.end().get());
                let idle = self.mapped.range(start..end).next().is_none();
                check(idle, &device.unreserve(extent), call);
                if idle {
                    self.reservations.swap_remove(which);
                }
            }
            Call::Create(granules) => {
                let fits = self.used() + granules * GRANULE <= TOTAL;
                let answer = device.create(Bytes::new(granules * GRANULE));
                self.check_memory(fits, &answer, call);
                if let Ok(handle) = answer {
                    self.made.push(Made { handle, granules, released: false });
                }
            }
            Call::Release(which) => {
                let Some(which) = which.checked_rem(self.made.len()) else { return };
                let made = &mut self.made[which];
                check(!made.released, &device.release(made.handle), call);
                made.released = true;
            }
            Call::Map { .. } | Call::Access { .. } | Call::Unmap { .. } => {
                self.step_mapping(device, call);
            }
        }
    }

    fn step_mapping(&mut self, device: &mut Sim, call: Call) {
        let place = |reservations: &[Extent], which: usize, at: u64| {
            let which = which.checked_rem(reservations.len())?;
            Some(reservations[which].start().get() + at * GRANULE)
        };
        match call {
            Call::Map { reservation, at, handle } => {
                let place = place(&self.reservations, reservation, at);
                let which = handle.checked_rem(self.made.len());
                let (Some(start), Some(which)) = (place, which) else { return };
                let Made { handle, granules, released } = self.made[which];
                let end = start + granules * GRANULE;
                let vacant = self.mapped.range(start..end).next().is_none();
                let range = Extent::between(Addr::new(start), Addr::new(end));
                let reserved = self.reservations.iter().any(|one| one.contains(range));
                let fits = reserved && vacant && !released;
                check(fits, &device.map(Addr::new(start), handle), call);
                if fits {
                    let all = (0..granules).map(|at| (start + at * GRANULE, (which, at)));
                    self.mapped.extend(all);
                }
            }
            Call::Access { reservation, at, granules } => {
                let Some(start) = place(&self.reservations, reservation, at) else { return };
                let end = start + granules * GRANULE;
                // What a device says to a part of a mapping is its own matter.
                if self.cuts(start) || self.cuts(end) {
                    return;
                }
                let count = self.mapped.range(start..end).count() as u64;
                let range = Extent::between(Addr::new(start), Addr::new(end));
                check(count == granules, &device.set_access(range), call);
            }
            Call::Unmap { reservation, at, granules } => {
                let Some(start) = place(&self.reservations, reservation, at) else { return };
                let end = start + granules * GRANULE;
                let some = self.mapped.range(start..end).next().is_some();
                let whole = !self.cuts(start) && !self.cuts(end);
                let range = Extent::between(Addr::new(start), Addr::new(end));
                check(some && whole, &device.unmap(range), call);
                if some && whole {
                    self.mapped.retain(|&addr, _| !(start <= addr && addr < end));
                }
            }
            Call::Allocate(_)
            | Call::Free { .. }
            | Call::Reserve(_)
            | Call::Unreserve(_)
            | Call::Create(_)
            | Call::Release(_) => {}
        }
    }

    fn check_memory<T>(&self, fits: bool, answer: &Result<T, DeviceError>, call: Call) {
        let out = matches!(answer, Err(DeviceError::OutOfMemory { .. }));
        let free = TOTAL - self.used();
        assert!(fits == answer.is_ok() && fits != out, "{call:?} with {free} bytes left");
    }

    /// Gives everything back.
    fn end(&mut self, device: &mut Sim) {
        for extent in std::mem::take(&mut self.allocations) {
            device.free(extent.start()).unwrap();
        }
        for extent in std::mem::take(&mut self.reservations) {
            let (start, end) = (extent.start().get(), extent.end().get());
            if self.mapped.range(start..end).next().is_some() {
                device.unmap(extent).unwrap();
            }
            device.unreserve(extent).unwrap();
        }
        for made in self.made.iter().filter(|made| !made.released) {
            device.release(made.handle).unwrap();
        }
    }
}

fn check(makes_sense: bool, answer: &Result<(), DeviceError>, call: Call) {
    assert_eq!(makes_sense, answer.is_ok(), "{call:?}: {answer:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/model.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    })]
    #[test]
    fn the_device_keeps_the_books_of_the_model(
        calls in prop::collection::vec(call(), 0..150),
        descending in any::<bool>(),
    ) {
        let placement =
            if descending { Placement::HighestFirst } else { Placement::LowestFirst };
        let completion = Completion::AtOnce;
        let mut device =
            Sim::new(SimSetup { placement, completion, ..SimSetup::new(Bytes::new(TOTAL)) });
        let mut model = Model::default();
        for call in calls {
            model.step(&mut device, call);
            prop_assert_eq!(device.memory().free, Bytes::new(TOTAL - model.used()), "{:?}", call);
        }
        model.end(&mut device);
        prop_assert!(device.is_idle());
        prop_assert_eq!(device.memory().free, Bytes::new(TOTAL));
    }
}
