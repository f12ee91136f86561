//! What a device has to do: a model that knows only which granule holds what.

use std::collections::BTreeMap;

use gapless_device::{Device, DeviceError, Handle};
use gapless_units::{Bytes, Extent};

use crate::call::Call;

/// How many granules the devices have.
const GRANULES: u64 = 40;

/// A handle that was made: its granules, and whether it was released.
#[derive(Clone, Copy, Debug)]
struct Made {
    handle: Handle,
    granules: u64,
    released: bool,
}

/// A device, and the truth about it, granule by granule.
#[derive(Debug)]
pub(crate) struct Truth<D> {
    device: D,
    granule: u64,
    allocations: Vec<Extent>,
    reservations: Vec<Extent>,
    made: Vec<Made>,
    /// For each mapped granule the handle and which granule of it this is.
    mapped: BTreeMap<u64, (usize, u64)>,
}

/// What a device said, of which nothing depends on the addresses it chose. `None` where there was
/// nothing to ask.
pub(crate) type Answer = Option<Result<(), DeviceError>>;

impl<D: Device> Truth<D> {
    /// Of a fresh device that `make` makes with so much memory.
    pub(crate) fn new(granule: Bytes, make: impl FnOnce(Bytes) -> D) -> Self {
        Self {
            device: make(Bytes::new(GRANULES * granule.get())),
            granule: granule.get(),
            allocations: Vec::new(),
            reservations: Vec::new(),
            made: Vec::new(),
            mapped: BTreeMap::new(),
        }
    }

    pub(crate) fn device(&self) -> &D {
        &self.device
    }

    fn is_mapped(&self, made: usize) -> bool {
        self.mapped.values().any(|&(other, _)| other == made)
    }

    fn used(&self) -> u64 {
        let allocated = self.allocations.iter().map(|extent| extent.size().get());
        let rounded = allocated.map(|size| size.next_multiple_of(self.granule));
        let held = self
            .made
            .iter()
            .enumerate()
            .filter(|&(index, made)| !made.released || self.is_mapped(index));
        rounded.sum::<u64>() + held.map(|(_, made)| made.granules * self.granule).sum::<u64>()
    }

    fn free(&self) -> u64 {
        GRANULES * self.granule - self.used()
    }

    fn take(&mut self, new: Extent) {
        let mut others = self.allocations.iter().chain(&self.reservations);
        assert!(others.all(|other| !other.overlaps(new)), "{new:?} is given twice");
    }

    /// Whether a mapping reaches over this address.
    fn cuts(&self, addr: u64) -> bool {
        let before = self.mapped.get(&(addr - self.granule));
        before.is_some_and(|&(made, at)| {
            at + 1 < self.made[made].granules && self.mapped.get(&addr) == Some(&(made, at + 1))
        })
    }

    /// Makes a call, and sees that the device does what makes sense and keeps its books.
    pub(crate) fn step(&mut self, call: Call) -> Answer {
        let answer = match call {
            Call::Allocate { .. } | Call::Free { .. } => self.step_allocation(call),
            Call::Reserve(_) | Call::Unreserve(_) => self.step_reservation(call),
            Call::Create(_) | Call::Release(_) => self.step_handle(call),
            Call::Map { .. } | Call::Access { .. } | Call::Unmap { .. } => self.step_mapping(call),
        };
        assert_eq!(self.device.memory().free, Bytes::new(self.free()), "{call:?}: {answer:?}");
        answer
    }

    fn step_allocation(&mut self, call: Call) -> Answer {
        if let Call::Allocate { parts, bytes } = call {
            let size = parts * self.granule / 64 + bytes;
            let fits = size.next_multiple_of(self.granule) <= self.free();
            let answer = self.device.allocate(Bytes::new(size));
            check_memory(fits, &answer, call);
            if let Ok(addr) = answer {
                let extent = Extent::new(addr, Bytes::new(size)).unwrap();
                self.take(extent);
                self.allocations.push(extent);
            }
            return Some(answer.map(drop));
        }
        let Call::Free { which, beside } = call else { return None };
        let which = which.checked_rem(self.allocations.len())?;
        let addr = self.allocations[which].start() + Bytes::new(u64::from(beside) * 512);
        let answer = self.device.free(addr);
        check(!beside, &answer, call);
        if !beside {
            self.allocations.swap_remove(which);
        }
        Some(answer)
    }

    fn step_reservation(&mut self, call: Call) -> Answer {
        if let Call::Reserve(granules) = call {
            let size = Bytes::new(granules * self.granule);
            let extent = self.device.reserve(size).unwrap();
            assert_eq!(extent.size(), size);
            self.take(extent);
            self.reservations.push(extent);
            return Some(Ok(()));
        }
        let Call::Unreserve(which) = call else { return None };
        let which = which.checked_rem(self.reservations.len())?;
        let extent = self.reservations[which];
        let (start, end) = (extent.start().get(), extent.end().get());
        let idle = self.mapped.range(start..end).next().is_none();
        let answer = self.device.unreserve(extent);
        check(idle, &answer, call);
        if idle {
            self.reservations.swap_remove(which);
        }
        Some(answer)
    }

    fn step_handle(&mut self, call: Call) -> Answer {
        if let Call::Create(granules) = call {
            let fits = granules * self.granule <= self.free();
            let answer = self.device.create(Bytes::new(granules * self.granule));
            check_memory(fits, &answer, call);
            if let Ok(handle) = answer {
                self.made.push(Made { handle, granules, released: false });
            }
            return Some(answer.map(drop));
        }
        let Call::Release(which) = call else { return None };
        let which = which.checked_rem(self.made.len())?;
        let made = &mut self.made[which];
        let answer = self.device.release(made.handle);
        check(!made.released, &answer, call);
        made.released = true;
        Some(answer)
    }

    /// So many granules at a place in a reservation that a call names, and whether they end in it.
    fn range(&self, (reservation, at): (usize, u64), granules: u64) -> Option<(Extent, bool)> {
        let which = reservation.checked_rem(self.reservations.len())?;
        let reservation = self.reservations[which];
        let at = at % (reservation.size().get() / self.granule);
        let start = reservation.start() + Bytes::new(at * self.granule);
        let range = Extent::new(start, Bytes::new(granules * self.granule)).unwrap();
        Some((range, reservation.contains(range)))
    }

    fn step_mapping(&mut self, call: Call) -> Answer {
        let place = match call {
            Call::Map { reservation, at, .. }
            | Call::Access { reservation, at, .. }
            | Call::Unmap { reservation, at, .. } => (reservation, at),
            _ => return None,
        };
        if let Call::Map { handle, .. } = call {
            let which = handle.checked_rem(self.made.len())?;
            let Made { handle, granules, released } = self.made[which];
            let (range, reserved) = self.range(place, granules)?;
            let start = range.start().get();
            let vacant = self.mapped.range(start..range.end().get()).next().is_none();
            let fits = reserved && vacant && !released;
            let answer = self.device.map(range.start(), handle);
            check(fits, &answer, call);
            if fits {
                let all = (0..granules).map(|at| (start + at * self.granule, (which, at)));
                self.mapped.extend(all);
            }
            return Some(answer);
        }
        let (Call::Access { granules, .. } | Call::Unmap { granules, .. }) = call else {
            return None;
        };
        let (range, reserved) = self.range(place, granules)?;
        let (start, end) = (range.start().get(), range.end().get());
        let count = self.mapped.range(start..end).count() as u64;
        let whole = !self.cuts(start) && !self.cuts(end);
        if let Call::Access { .. } = call {
            // Where one reservation ends another may begin, or nothing.
            if !reserved {
                return None;
            }
            let answer = self.device.set_access(range);
            check(count == granules && whole, &answer, call);
            return Some(answer);
        }
        let answer = self.device.unmap(range);
        let makes_sense = 0 < count && whole && reserved;
        check(makes_sense, &answer, call);
        if makes_sense {
            self.mapped.retain(|&addr, _| !(start <= addr && addr < end));
        }
        Some(answer)
    }

    /// Gives everything back, and sees that it was everything.
    pub(crate) fn end(&mut self) {
        for extent in std::mem::take(&mut self.allocations) {
            self.device.free(extent.start()).unwrap();
        }
        for extent in std::mem::take(&mut self.reservations) {
            let (start, end) = (extent.start().get(), extent.end().get());
            if self.mapped.range(start..end).next().is_some() {
                self.device.unmap(extent).unwrap();
            }
            self.device.unreserve(extent).unwrap();
        }
        for made in self.made.iter().filter(|made| !made.released) {
            self.device.release(made.handle).unwrap();
        }
        assert_eq!(self.device.memory().free, self.device.memory().total);
    }
}

fn check_memory<T>(fits: bool, answer: &Result<T, DeviceError>, call: Call) {
    let out = matches!(answer, Err(DeviceError::OutOfMemory { .. }));
    assert!(fits == answer.is_ok() && fits != out, "{call:?} when it fits: {fits}");
}

fn check(makes_sense: bool, answer: &Result<(), DeviceError>, call: Call) {
    assert_eq!(makes_sense, answer.is_ok(), "{call:?}: {answer:?}");
}
